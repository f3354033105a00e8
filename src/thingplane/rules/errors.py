"""Documented error codes of rules (guide: error codes that start with iot.rule and iot.ruleng)."""

from thingplane.cloud import ErrorCode

# Rules

NOT_FOUND_RULE = ErrorCode("iot.rule.NotFoundRule", "The instance has no rule with this id.")
RULE_NAME_IS_ALREADY_EXISTED = ErrorCode(
    "iot.rule.RuleNameIsAlreadyExisted", "The instance has a rule with this name already."
)
RULE_COUNT_EXCEED_MAX = ErrorCode("iot.rule.RuleCountExceedMax", "The instance has as many rules as it may.")
NULL_SQL_FOR_RULE = ErrorCode(
    "iot.rule.NullSqlForRule", "The rule cannot be started before it has a product, a topic and a SELECT clause."
)
NULL_FORWARD_DEST_FOR_RULE = ErrorCode(
    "iot.rule.NullForwardDestForRule", "The rule cannot be started before it has an action that is not for errors."
)
DELETE_RULE_FAILED = ErrorCode("iot.rule.DeleteRuleFailed", "The rule is running. Stop it before deleting it.")
START_RULE_FAILED = ErrorCode("iot.rule.StartRuleFailed", "The rule cannot be started.")
RULE_ALREADY_IS_STARTED = ErrorCode("iot.ruleng.RuleAlreadyIsStarted", "The rule is running already.")
INCORRECT_TYPE = ErrorCode("iot.ruleng.IncorrectType", "The topic type is none of 0, 1 and 2, or does not fit.")
INCORRECT_SYS_TOPIC = ErrorCode("iot.ruleng.IncorrectSysTopic", "The topic is not one of the documented system topics.")
INCORRECT_RULE_SQL = ErrorCode("iot.messagebroker.IncorrectRuleSql", "The SQL of the rule is not valid.")

# Actions

NOT_FOUND_RULE_ACTION = ErrorCode("iot.rule.NotFoundRuleAction", "The instance has no rule action with this id.")
INCORRENT_RULE_ACTION_ID = ErrorCode("iot.rule.IncorrentRuleActionId", "The id of the rule action is not valid.")
INCORRENT_RULE_ACTION_TYPE = ErrorCode("iot.rule.IncorrentRuleActionType", "There are no rule actions of this type.")
RULE_ACTION_IS_ALREADY_CREATED = ErrorCode("iot.rule.RuleActionIsAlreadyCreated", "The rule has this action already.")
TOO_MANY_RULE_ACTION = ErrorCode("iot.rule.TooManyRuleAction", "The rule has as many actions as it may.")
PARSE_RULE_ACTION_CONFIG_ERROR = ErrorCode(
    "iot.rule.ParseRuleActionConfigError", "The configuration of the rule action cannot be understood."
)
NULL_RULE_ACTION_CONFIG = ErrorCode("iot.ruleng.NullRuleActionConfig", "The configuration is missing.")
NULL_RULE_ACTION_TYPE = ErrorCode("iot.ruleng.NullRuleActionType", "The type of the rule action is missing.")
RULE_ACTION_CONFIGURATION_IS_NOT_JSON = ErrorCode(
    "iot.ruleng.RuleActionConfigurationIsNotJson", "The configuration of the rule action is not JSON."
)
ONLY_ALLOW_ONE_ERROR_ACTION = ErrorCode("iot.ruleng.OnlyAllowOneErrorAction", "The rule has an error action already.")
INCORRECT_ACTION_TYPE_FOR_ERROR = ErrorCode(
    "iot.ruleng.IncorrectActionTypeForError", "Actions of this type cannot take the errors of the rule."
)
INCORRECT_REGION_NAME = ErrorCode("iot.ruleng.IncorrectRegionName", "The regionName of the configuration is missing.")
INVALID_RAM_ROLE = ErrorCode("iot.ruleng.InvalidRamRole", "The role of the configuration is not valid.")
NULL_RAM_ROLE_ARN = ErrorCode("iot.ruleng.NullRamRoleArn", "The roleArn of the configuration is missing.")
NULL_RAM_ROLE_NAME = ErrorCode("iot.ruleng.NullRamRoleName", "The roleName of the configuration is missing.")

# Actions by their destinations

NULL_TOPIC_NAME_IN_MNS = ErrorCode("iot.ruleng.NullTopicNameInMns", "The themeName of the configuration is missing.")
NULL_SERVICE_NAME_IN_FC = ErrorCode("iot.ruleng.NullServiceNameInFc", "The serviceName is missing or not valid.")
NULL_FUNCTION_NAME_IN_FC = ErrorCode("iot.ruleng.NullFunctionNameInFc", "The functionName is missing.")
NULL_OTS_INSTANCE_NAME = ErrorCode("iot.ruleng.NullOtsInstanceName", "The instanceName is missing.")
NULL_TABLE_NAME_IN_OTS_INSTANCE = ErrorCode("iot.ruleng.NullTableNameInOtsInstance", "The tableName is missing.")
NULL_PRIMARY_KEY_IN_OTS_TABLE = ErrorCode("iot.ruleng.NullPrimaryKeyInOtsTable", "The primaryKeys are missing.")
NULL_PRIMARY_KEY_NAME_IN_OTS = ErrorCode("iot.ruleng.NullPrimaryKeyNameInOts", "A primary key has no columnName.")
NULL_PRIMARY_KEY_TYPE_IN_OTS = ErrorCode("iot.ruleng.NullPrimaryKeyTypeInOts", "A primary key has no columnType.")
NULL_PRIMARY_KEY_VALUE_IN_OTS = ErrorCode("iot.ruleng.NullPrimaryKeyValueInOts", "A primary key has no columnValue.")
INCORRECT_PRIMARY_KEY_VALUE_IN_OTS_TABLE = ErrorCode(
    "iot.ruleng.IncorrectPrimaryKeyValueInOtsTable", "A primary key is not valid."
)
INSTANCE_NOT_FOUND = ErrorCode("iot.ruleng.InstanceNotFound", "The instanceId of the configuration is missing.")
INVALID_FORMATTED_TAG_IN_CONFIGURATION = ErrorCode(
    "iot.ruleng.InvalidFormattedTagInConfiguration", "The tag of the configuration is too long or not valid."
)
NULL_INSTANCE_NAME_IN_HITSDB = ErrorCode("iot.ruleng.NullInstanceNameInHitsdb", "The instanceName is missing.")
NULL_TIMESTAMP_IN_HITSDB = ErrorCode("iot.ruleng.NullTimestampInHitsdb", "The timestamp is missing.")
INVALID_FORMATTED_TIMESTAMP_IN_HITSDB = ErrorCode(
    "iot.ruleng.InvalidFormattedTimestampInHitsdb",
    "The timestamp is neither milliseconds nor timestamp() nor ${column}.",
)
NULL_TAG_NAME_IN_HITSDB = ErrorCode("iot.ruleng.NullTagNameInHitsdb", "A tag has no name.")
NULL_TAG_VALUE_IN_HITSDB = ErrorCode("iot.ruleng.NullTagValueInHitsdb", "A tag has no value.")
INVALID_FORMATTED_TAG_NAME_IN_HITSDB = ErrorCode(
    "iot.ruleng.InvalidFormattedTagNameInHitsdb", "The name of a tag has characters that are not allowed."
)
NULL_RDS_INSTANCE_NAME = ErrorCode("iot.ruleng.NullRdsInstanceName", "The instanceName is missing.")
NULL_RDS_DATABASE_NAME = ErrorCode("iot.ruleng.NullRdsDatabaseName", "The databaseName is missing.")
INVALID_FORMATTED_RDS_DATABASE_NAME = ErrorCode(
    "iot.ruleng.InvalidFormattedRdsDatabaseName", "The databaseName is not valid."
)
NULL_RDS_TABLE_NAME = ErrorCode("iot.ruleng.NullRdsTableName", "The tableName is missing.")
INVALID_FORMATTED_RDS_TABLE_NAME = ErrorCode("iot.ruleng.InvalidFormattedRdsTableName", "The tableName is not valid.")
NULL_RDS_ACCOUNT_NAME = ErrorCode("iot.ruleng.NullRdsAccountName", "The accountName is missing.")
NULL_RDS_PASSWORD = ErrorCode("iot.ruleng.NullRdsPassword", "The accountPwd is missing.")
NULL_RDS_FIELD_NAME = ErrorCode("iot.ruleng.NullRdsFieldName", "A field has no name, or there are no fields.")
NULL_RDS_FIELD_VALUE = ErrorCode("iot.ruleng.NullRdsFieldValue", "A field has no value.")

CREATE_RULE_ACTION_FAILED = ErrorCode("iot.ruleng.CreateRuleActionFailed", "The rule action cannot be created.")
UPDATE_RULE_ACTION_FAILED = ErrorCode("iot.ruleng.UpdateRuleActionFailed", "The rule action cannot be changed.")
DELETE_RULE_ACTION_FAILED = ErrorCode(
    "iot.ruleng.DeleteRuleActionFailed", "The rule is running, and this is the only action it has. Stop it first."
)
