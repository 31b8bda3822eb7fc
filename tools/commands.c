/* Every command there is, and those a later version will have. Help, the man page's test and the
 * parsing of options all read this table. */
#include "tools/cmd.h"

#define LOGIN "--user --pin-file"

const struct command commands[] = {
    {"init", "", 0, 0, "--hsm --hsm-token --hsm-pin-file", cmd_init,
     "make a vault home, with a SoftHSM token of its own unless an HSM is named"},
    {"status", "", 0, 0, "--json", cmd_status, "show home, HSM, log and vaults"},
    {"doctor", "", 0, 0, "--json", cmd_doctor,
     "check everything, and say how to mend what is wrong"},
    {"vault create", "NAME", 1, 1,
     "--protection --user --pin-file --so-pin-file --retention --no-purge-protection "
     "--legacy",
     cmd_vault_create, "make a vault, and its first user"},
    {"vault list", "", 0, 0, "--json", cmd_vault_list, "list vaults"},
    {"vault show", "NAME", 1, 1, "--json", cmd_vault_show, "show one vault"},
    {"vault update", "NAME", 1, 1, "--protection --legacy=on|off --confirmations", cmd_vault_update,
     "choose what new keys of a vault are protected by, whether it offers legacy mechanisms, and "
     "how "
     "many administrators must agree"},
    {"user add", "VAULT/NAME", 1, 1, "--pin-file --role", cmd_user_add,
     "add a user to a vault; --role may be given again"},
    {"user list", "VAULT", 1, 1, "--json", cmd_user_list, "list a vault's users"},
    {"user pin", "VAULT/NAME", 1, 1, "--pin-file", cmd_user_pin, "give a user a new PIN"},
    {"user unlock", "VAULT/NAME", 1, 1, "", cmd_user_unlock, "forget a user's wrong PINs"},
    {"user remove", "VAULT/NAME", 1, 1, "", cmd_user_remove, "remove a user and its roles"},
    {"user bind", "VAULT/NAME PRINCIPAL", 2, 2, "", cmd_user_bind,
     "let a Unix user (unix:NAME) or a token (token:ISSUER#SUBJECT) act as a user"},
    {"user unbind", "VAULT/NAME PRINCIPAL", 2, 2, "", cmd_user_unbind, "end what user bind began"},
    {"group add", "VAULT/GROUP", 1, 1, "", cmd_group_add, "add a group to a vault"},
    {"group list", "VAULT", 1, 1, "--json", cmd_group_list, "list a vault's groups"},
    {"group join", "VAULT/GROUP PRINCIPAL", 2, 2, "", cmd_group_join,
     "put user:NAME, unix:NAME or token:ISSUER#SUBJECT into a group"},
    {"group leave", "VAULT/GROUP PRINCIPAL", 2, 2, "", cmd_group_leave,
     "take a principal out of a group"},
    {"group remove", "VAULT/GROUP", 1, 1, "", cmd_group_remove, "remove a group"},
    {"issuer add", "VAULT ISSUER", 2, 2, "--jwks --audience --algorithms", cmd_issuer_add,
     "believe the tokens of an issuer"},
    {"issuer list", "VAULT", 1, 1, "--json", cmd_issuer_list, "list the issuers a vault believes"},
    {"issuer remove", "VAULT ISSUER", 2, 2, "", cmd_issuer_remove,
     "believe an issuer no longer; logins with its tokens end"},
    {"key create", "OBJECT", 1, 1,
     "--type --protection --use --not-before --expires --mechanisms --count --json " LOGIN,
     cmd_key_create,
     "make a key, or a key pair; --count: so many, OBJECT-1, OBJECT-2, ..., stored together"},
    {"key import", "OBJECT FILE", 2, 2,
     "--type --protection --use --not-before --expires --mechanisms --json " LOGIN, cmd_key_import,
     "bring in a key out of a file"},
    {"key list", "VAULT", 1, 1, "--deleted --json " LOGIN, cmd_key_list,
     "list the keys that you may see"},
    {"key show", "OBJECT", 1, 1, "--deleted --json " LOGIN, cmd_key_show, "show a key"},
    {"key public", "OBJECT", 1, 1, LOGIN, cmd_key_public, "print a public key as PEM"},
    {"key disable", "OBJECT", 1, 1, LOGIN, cmd_key_disable,
     "stop every use of a key, in every process, at once"},
    {"key enable", "OBJECT", 1, 1, LOGIN, cmd_key_enable, "let a disabled key be used again"},
    {"key delete", "OBJECT", 1, 1, LOGIN, cmd_key_delete, "delete a key; it can be recovered"},
    {"key recover", "OBJECT", 1, 1, LOGIN, cmd_key_recover, "bring a deleted key back"},
    {"key purge", "OBJECT", 1, 1, LOGIN, cmd_key_purge, "destroy a deleted key for good"},
    {"approve", "OBJECT|VAULT", 1, 1,
     "--action --digest --file --mechanism --expires --requester --list --withdraw --json " LOGIN,
     cmd_approve, "approve that somebody else uses a key once; --list and --withdraw take a vault"},
    {"policy check", "FILE", 1, 1, "--json", cmd_policy_check,
     "check a policy text; needs no home"},
    {"policy apply", "VAULT FILE", 2, 2, LOGIN, cmd_policy_apply, "put a policy in force"},
    {"policy pending", "VAULT", 1, 1, "--json " LOGIN, cmd_policy_pending,
     "list changes that widen the rights of who asked for them, and wait for others"},
    {"policy confirm", "VAULT HASH", 2, 2, LOGIN, cmd_policy_confirm,
     "confirm such a change, as another administrator"},
    {"policy withdraw", "VAULT HASH", 2, 2, LOGIN, cmd_policy_withdraw, "give such a change up"},
    {"policy show", "VAULT", 0, 1, "--home --json", cmd_policy_show,
     "print the policy in force; --home: the home's own"},
    {"policy explain", "VAULT REQUEST.json", 2, 2, "--json", cmd_policy_explain,
     "say how a request would be answered, and why"},
    {"policy who-can", "VAULT ACTION [OBJECT]", 2, 3, "--json", cmd_policy_who_can,
     "list who may do something with an object"},
    {"policy diff", "FILE FILE", 2, 2, "--json", cmd_policy_diff,
     "compare two policy texts, with a request for each difference"},
    {"policy suggest", "VAULT", 1, 1, "--since", cmd_policy_suggest,
     "print the least policy that would have allowed what the log shows was used"},
    {"policy roles", "", 0, 0, "--json", cmd_policy_roles, "list roles and their actions"},
    {"policy schema", "", 0, 0, "", cmd_policy_schema, "print the vocabulary as a Cedar schema"},
    {"policy decide", "", 0, 0, "--policies --entities --requests", cmd_policy_decide,
     "answer requests by Cedar policies; needs no home"},
    {"log show", "", 0, 0, "--vault --since --object --denied --json", cmd_log_show,
     "print the log; --json: a record a line"},
    {"log follow", "", 0, 0, "--vault --since --object --denied --json", cmd_log_follow,
     "print records as they come, until interrupted"},
    {"log export", "", 0, 0, "--format --vault --since --object --denied", cmd_log_export,
     "print the log for another program to read"},
    {"log forward", "", 0, 0, "--to --socket --from --name --once", cmd_log_forward,
     "send records to syslog or journald as they come; --once: those that are there"},
    {"log report", "", 0, 0, "-o --vault --since", cmd_log_report,
     "write an HTML page of the log: use, refusals, slow calls, what ends, who may"},
    {"log verify", "", 0, 0, "--against --json", cmd_log_verify,
     "verify the whole log; --against: and that it continues an older checkpoint"},
    {"log prove", "SEQ", 1, 1, "--record --json", cmd_log_prove,
     "print a proof that a record is in the log; --record: the record itself"},
    {"log key", "", 0, 0, "", cmd_log_key, "print the key that verifies the log"},
    {"log checkpoint", "", 0, 0, "", cmd_log_checkpoint, "sign what the log holds now"},
    {"log accept-clock", "", 0, 0, "", cmd_log_accept_clock,
     "let service go on though the clock is behind the log's newest record"},
    {"log accept-loss", "", 0, 0, "", cmd_log_accept_loss,
     "let service go on though the log is behind its anchor in the HSM"},
    {"metrics", "", 0, 0, "--textfile --listen", cmd_metrics,
     "print counters, histograms and gauges as Prometheus text, write them to a file, or serve "
     "them"},
};

size_t command_count(void)
{
    return sizeof(commands) / sizeof(*commands);
}

static const char *const later[] = {
    "vault delete", "vault recover",      "vault purge", "vault rekey", "key update",  "key rotate",
    "key rotation", "key import-wrapped", "key adopt",   "key backup",  "key restore", "secret",
    "cert",
};

const char *command_later(size_t i)
{
    return i < sizeof(later) / sizeof(*later) ? later[i] : NULL;
}
