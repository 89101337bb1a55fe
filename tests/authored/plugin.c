// A topic for alerts, a bucket that keeps them, and a security group for who reads them.
#include "guest.h"
#include "json.h"

static const char SCHEMA[] =
    "{\"type\": \"object\", \"additionalProperties\": false, \"required\": [\"name\", \"vpc_id\"], \"properties\": {"
    "\"name\": {\"type\": \"string\", \"pattern\": \"^[a-z0-9-]{3,40}$\", \"description\": \"Name of the topic.\"},"
    "\"vpc_id\": {\"type\": \"string\", \"description\": \"The network of the security group.\"},"
    "\"source\": {\"type\": \"string\", \"default\": \"10.0.0.0/8\", \"description\": \"Who may read, an IPv4 range.\"},"
    "\"port\": {\"type\": \"integer\", \"minimum\": 1, \"maximum\": 65535, \"default\": 443, \"description\": \"The port.\"},"
    "\"versioning\": {\"type\": \"boolean\", \"default\": false, \"description\": \"Whether changed alerts are kept.\"}}}";

static guest_string_t text(const char *from) {
    guest_string_t text;
    guest_string_set(&text, from);
    return text;
}

static void output(guest_description_t *ret, const char *name, const char *words, llmhost_plugin_types_value_type_t type) {
    llmhost_plugin_types_output_doc_t *doc = &ret->outputs.ptr[ret->outputs.len++];
    guest_string_dup(&doc->name, name);
    guest_string_dup(&doc->description, words);
    doc->value_type.is_some = true;
    doc->value_type.val = type;
}

void exports_guest_describe(guest_description_t *ret) {
    memset(ret, 0, sizeof *ret);
    guest_string_dup(&ret->summary, "A topic for alerts, a bucket that keeps them, and a security group for who reads them.");
    guest_string_dup(&ret->config_schema, SCHEMA);
    ret->outputs.ptr = calloc(4, sizeof *ret->outputs.ptr);
    ret->needs.ptr = calloc(1, sizeof *ret->needs.ptr);
    if (ret->outputs.ptr == NULL || ret->needs.ptr == NULL) abort();
    output(ret, "topic_arn", "ARN of the topic", LLMHOST_PLUGIN_TYPES_VALUE_TYPE_TEXT);
    ret->outputs.ptr[0].sensitive = true;
    output(ret, "bucket_arn", "ARN of the bucket", LLMHOST_PLUGIN_TYPES_VALUE_TYPE_TEXT);
    output(ret, "security_group_id", "ID of the security group", LLMHOST_PLUGIN_TYPES_VALUE_TYPE_TEXT);
    output(ret, "port", "The port", LLMHOST_PLUGIN_TYPES_VALUE_TYPE_NUMBER);
    guest_string_dup(ret->needs.ptr, "cloud-control:AWS::SNS::Topic");
    ret->needs.len = 1;
}

bool exports_guest_run(guest_string_t *config, guest_string_t *ret, guest_failure_t *err) {
    const char *json = (const char *)config->ptr;
    char *name = json_text(json, config->len, "name");
    char *vpc = json_text(json, config->len, "vpc_id");
    char *source = json_text(json, config->len, "source");
    uint16_t port = (uint16_t)json_integer(json, config->len, "port", 443);
    const char *versioning = json_find(json, config->len, "versioning");
    guest_string_t named = text("alerts"), topic_arn, bucket_arn, group_id;

    char properties[128], bucket_name[64], said[80];
    snprintf(properties, sizeof properties, "{\"TopicName\": \"%s\"}", name);
    guest_string_t create_only = text("TopicName");
    llmhost_aws_cloud_control_cloud_control_entity_spec_t topic_spec = {
        .type_name = text("AWS::SNS::Topic"),
        .properties = text(properties),
        .create_only = {.ptr = &create_only, .len = 1},
        .wait_minutes = 5,
    };
    llmhost_plugin_types_options_t options = {0};
    llmhost_aws_cloud_control_cloud_control_own_entity_t topic;
    if (!llmhost_aws_cloud_control_cloud_control_static_entity_declare(&named, &topic_spec, &options, &topic, err)) return false;

    snprintf(bucket_name, sizeof bucket_name, "%s-archive", name);
    guest_tuple2_string_string_t tag = {.f0 = text("holds"), .f1 = text("alerts")};
    llmhost_aws_s3_s3_bucket_spec_t bucket_spec = {
        .bucket = text(bucket_name),
        .block_public_access = true,
        .encryption = {.tag = LLMHOST_AWS_S3_S3_ENCRYPTION_S3_MANAGED},
        .versioning = versioning != NULL && *versioning == 't',
        .tags = {.ptr = &tag, .len = 1},
    };
    llmhost_aws_s3_s3_own_bucket_t bucket;
    named = text("archive");
    if (!llmhost_aws_s3_s3_static_bucket_declare(&named, &bucket_spec, &options, &bucket, err)) return false;

    llmhost_aws_ec2_ec2_security_group_spec_t group_spec = {
        .vpc_id = text(vpc), .group_name = text(name), .description = text("Reads alerts"),
    };
    llmhost_aws_ec2_ec2_own_security_group_t group;
    named = text("readers");
    if (!llmhost_aws_ec2_ec2_static_security_group_declare(&named, &group_spec, &options, &group, err)) return false;
    llmhost_aws_ec2_ec2_borrow_security_group_t of = llmhost_aws_ec2_ec2_borrow_security_group(group);
    if (!llmhost_aws_ec2_ec2_method_security_group_id(of, &group_id, err)) return false;

    llmhost_aws_ec2_ec2_security_group_rule_spec_t rule_spec = {
        .security_group_id = group_id,
        .direction = LLMHOST_AWS_EC2_EC2_DIRECTION_INGRESS,
        .ip_protocol = text("tcp"),
        .from_port = port,
        .to_port = port,
        .peer = {.tag = LLMHOST_AWS_EC2_EC2_PEER_CIDR, .val = {.cidr = text(source)}},
        .description = text("Readers"),
    };
    llmhost_aws_ec2_ec2_own_security_group_rule_t rule;
    if (!llmhost_aws_ec2_ec2_static_security_group_rule_declare(&named, &rule_spec, &options, &rule, err)) return false;

    snprintf(said, sizeof said, "alerts of %s are kept", name);
    guest_string_t message = text(said);
    llmhost_plugin_log_write(LLMHOST_PLUGIN_LOG_LEVEL_INFO, &message);

    if (!llmhost_aws_cloud_control_cloud_control_method_entity_identifier(llmhost_aws_cloud_control_cloud_control_borrow_entity(topic), &topic_arn, err)) return false;
    if (!llmhost_aws_s3_s3_method_bucket_arn(llmhost_aws_s3_s3_borrow_bucket(bucket), &bucket_arn, err)) return false;
    struct json_object outputs = {0};
    json_put(&outputs, "topic_arn", (const char *)topic_arn.ptr, topic_arn.len);
    json_put(&outputs, "bucket_arn", (const char *)bucket_arn.ptr, bucket_arn.len);
    json_put(&outputs, "security_group_id", (const char *)group_id.ptr, group_id.len);
    char number[24];
    json_add(&outputs, number, (size_t)snprintf(number, sizeof number, ", \"port\": %u", port));
    json_end(&outputs);
    ret->ptr = (uint8_t *)outputs.text;
    ret->len = outputs.bytes;
    return true;
}
