/* What eval.c (Cedar's own operators) and eval_ext.c (those of the extension types) share. */
#ifndef KEYWARD_POLICY_EVAL_INT_H
#define KEYWARD_POLICY_EVAL_INT_H

#include "policy/eval.h"

/* An operator of the table. False after eval_wrong(). */
typedef bool (*operator_fn)(struct eval *e, const struct node *node, struct policy_value *out);

/* Always false. what is static. */
bool eval_wrong(struct eval *e, const struct node *where, const char *what, struct bytes name);
bool eval_run(struct eval *e, uint32_t index, struct policy_value *out);
/* An operand that must be of that kind. */
bool eval_run_kind(struct eval *e, uint32_t index, enum policy_kind kind, struct policy_value *out);
bool eval_answer_bool(struct eval *e, const struct node *node, bool value,
                      struct policy_value *out);

bool eval_construct(struct eval *e, const struct node *node, struct policy_value *out);
bool eval_ip(struct eval *e, const struct node *node, struct policy_value *out);
bool eval_in_range(struct eval *e, const struct node *node, struct policy_value *out);
bool eval_offset(struct eval *e, const struct node *node, struct policy_value *out);
bool eval_duration_since(struct eval *e, const struct node *node, struct policy_value *out);
bool eval_to_date(struct eval *e, const struct node *node, struct policy_value *out);
bool eval_to_time(struct eval *e, const struct node *node, struct policy_value *out);
bool eval_to_unit(struct eval *e, const struct node *node, struct policy_value *out);

#endif
