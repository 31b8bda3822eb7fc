/* The functions behind the rows of commands.c, by file. */
#ifndef KEYWARD_TOOLS_CMD_H
#define KEYWARD_TOOLS_CMD_H

#include "tools/tool.h"

/* cmd_home.c */
int cmd_init(const struct invocation *inv);
int cmd_status(const struct invocation *inv);
/* doctor.c */
int cmd_doctor(const struct invocation *inv);
/* cmd_vault.c */
int cmd_vault_create(const struct invocation *inv);
int cmd_vault_list(const struct invocation *inv);
int cmd_vault_show(const struct invocation *inv);
int cmd_vault_update(const struct invocation *inv);
/* cmd_user.c */
int cmd_user_add(const struct invocation *inv);
int cmd_user_list(const struct invocation *inv);
int cmd_user_pin(const struct invocation *inv);
int cmd_user_unlock(const struct invocation *inv);
int cmd_user_remove(const struct invocation *inv);
/* cmd_group.c */
int cmd_user_bind(const struct invocation *inv);
int cmd_user_unbind(const struct invocation *inv);
int cmd_group_add(const struct invocation *inv);
int cmd_group_remove(const struct invocation *inv);
int cmd_group_list(const struct invocation *inv);
int cmd_group_join(const struct invocation *inv);
int cmd_group_leave(const struct invocation *inv);
/* cmd_issuer.c */
int cmd_issuer_add(const struct invocation *inv);
int cmd_issuer_list(const struct invocation *inv);
int cmd_issuer_remove(const struct invocation *inv);
/* cmd_key.c */
int cmd_key_create(const struct invocation *inv);
int cmd_key_import(const struct invocation *inv);
int cmd_key_list(const struct invocation *inv);
int cmd_key_show(const struct invocation *inv);
int cmd_key_public(const struct invocation *inv);
int cmd_key_delete(const struct invocation *inv);
int cmd_key_recover(const struct invocation *inv);
int cmd_key_disable(const struct invocation *inv);
int cmd_key_enable(const struct invocation *inv);
int cmd_key_purge(const struct invocation *inv);
/* cmd_approve.c */
int cmd_approve(const struct invocation *inv);
/* cmd_confirm.c */
int cmd_policy_pending(const struct invocation *inv);
int cmd_policy_confirm(const struct invocation *inv);
int cmd_policy_withdraw(const struct invocation *inv);
/* cmd_policy.c */
int cmd_policy_check(const struct invocation *inv);
int cmd_policy_apply(const struct invocation *inv);
int cmd_policy_show(const struct invocation *inv);
int cmd_policy_explain(const struct invocation *inv);
int cmd_policy_roles(const struct invocation *inv);
int cmd_policy_schema(const struct invocation *inv);
int cmd_policy_decide(const struct invocation *inv);
/* cmd_analysis.c */
int cmd_policy_who_can(const struct invocation *inv);
int cmd_policy_diff(const struct invocation *inv);
/* cmd_suggest.c */
int cmd_policy_suggest(const struct invocation *inv);
/* cmd_log_read.c */
int cmd_log_show(const struct invocation *inv);
int cmd_log_follow(const struct invocation *inv);
int cmd_log_export(const struct invocation *inv);
/* cmd_forward.c */
int cmd_log_forward(const struct invocation *inv);
/* cmd_report.c */
int cmd_log_report(const struct invocation *inv);
/* cmd_metrics.c */
int cmd_metrics(const struct invocation *inv);
/* cmd_log.c */
int cmd_log_prove(const struct invocation *inv);
int cmd_log_verify(const struct invocation *inv);
int cmd_log_key(const struct invocation *inv);
int cmd_log_checkpoint(const struct invocation *inv);
int cmd_log_accept_clock(const struct invocation *inv);
int cmd_log_accept_loss(const struct invocation *inv);

#endif
