// A topic for alerts, a bucket that keeps them, and a security group for who reads them.
#include <string>
#include <string_view>

#include "guest.h"
#include "json.h"

namespace {

constexpr const char *schema = R"({
  "type": "object",
  "additionalProperties": false,
  "required": ["name", "vpc_id"],
  "properties": {
    "name": {"type": "string", "pattern": "^[a-z0-9-]{3,40}$", "description": "Name of the topic."},
    "vpc_id": {"type": "string", "description": "The network of the security group."},
    "source": {"type": "string", "default": "10.0.0.0/8", "description": "Who may read, an IPv4 range."},
    "port": {"type": "integer", "minimum": 1, "maximum": 65535, "default": 443, "description": "The port."},
    "versioning": {"type": "boolean", "default": false, "description": "Whether changed alerts are kept."}
  }
})";

guest_string_t lent(std::string_view text) {
    return {reinterpret_cast<uint8_t *>(const_cast<char *>(text.data())), text.size()};
}

struct Options {
    std::string name, vpc_id, source;
    uint16_t port;
    bool versioning;

    explicit Options(std::string_view json)
        : name(text(json, "name")),
          vpc_id(text(json, "vpc_id")),
          source(text(json, "source")),
          port(static_cast<uint16_t>(json_integer(json.data(), json.size(), "port", 443))) {
        const char *found = json_find(json.data(), json.size(), "versioning");
        versioning = found != nullptr && *found == 't';
    }

  private:
    static std::string text(std::string_view json, const char *key) {
        char *found = json_text(json.data(), json.size(), key);
        std::string text = found == nullptr ? "" : found;
        free(found);
        return text;
    }
};

} // namespace

void exports_guest_describe(guest_description_t *ret) {
    struct Output {
        const char *name, *words;
        llmhost_plugin_types_value_type_t type;
    };
    constexpr Output outputs[] = {
        {"topic_arn", "ARN of the topic", LLMHOST_PLUGIN_TYPES_VALUE_TYPE_TEXT},
        {"bucket_arn", "ARN of the bucket", LLMHOST_PLUGIN_TYPES_VALUE_TYPE_TEXT},
        {"security_group_id", "ID of the security group", LLMHOST_PLUGIN_TYPES_VALUE_TYPE_TEXT},
        {"port", "The port", LLMHOST_PLUGIN_TYPES_VALUE_TYPE_NUMBER},
    };
    *ret = {};
    guest_string_dup(&ret->summary, "A topic for alerts, a bucket that keeps them, and a security group for who reads them.");
    guest_string_dup(&ret->config_schema, schema);
    ret->outputs.ptr = static_cast<llmhost_plugin_types_output_doc_t *>(calloc(std::size(outputs), sizeof *ret->outputs.ptr));
    ret->needs.ptr = static_cast<guest_string_t *>(calloc(1, sizeof *ret->needs.ptr));
    if (ret->outputs.ptr == nullptr || ret->needs.ptr == nullptr) abort();
    for (const Output &output : outputs) {
        auto &doc = ret->outputs.ptr[ret->outputs.len++];
        guest_string_dup(&doc.name, output.name);
        guest_string_dup(&doc.description, output.words);
        doc.value_type = {true, output.type};
        doc.sensitive = &output == outputs;
    }
    guest_string_dup(&ret->needs.ptr[ret->needs.len++], "cloud-control:AWS::SNS::Topic");
}

bool exports_guest_run(guest_string_t *config, guest_string_t *ret, guest_failure_t *err) {
    const Options config_of({reinterpret_cast<const char *>(config->ptr), config->len});
    llmhost_plugin_types_options_t options{};

    const std::string properties = "{\"TopicName\": \"" + config_of.name + "\"}";
    guest_string_t create_only = lent("TopicName"), named = lent("alerts"), topic_arn, bucket_arn, group_id;
    llmhost_aws_cloud_control_cloud_control_entity_spec_t topic_spec{};
    topic_spec.type_name = lent("AWS::SNS::Topic");
    topic_spec.properties = lent(properties);
    topic_spec.create_only = {&create_only, 1};
    topic_spec.wait_minutes = 5;
    llmhost_aws_cloud_control_cloud_control_own_entity_t topic;
    if (!llmhost_aws_cloud_control_cloud_control_static_entity_declare(&named, &topic_spec, &options, &topic, err)) return false;

    const std::string bucket_name = config_of.name + "-archive";
    guest_tuple2_string_string_t tag{lent("holds"), lent("alerts")};
    llmhost_aws_s3_s3_bucket_spec_t bucket_spec{};
    bucket_spec.bucket = lent(bucket_name);
    bucket_spec.block_public_access = true;
    bucket_spec.encryption.tag = LLMHOST_AWS_S3_S3_ENCRYPTION_S3_MANAGED;
    bucket_spec.versioning = config_of.versioning;
    bucket_spec.tags = {&tag, 1};
    llmhost_aws_s3_s3_own_bucket_t bucket;
    named = lent("archive");
    if (!llmhost_aws_s3_s3_static_bucket_declare(&named, &bucket_spec, &options, &bucket, err)) return false;

    llmhost_aws_ec2_ec2_security_group_spec_t group_spec{};
    group_spec.vpc_id = lent(config_of.vpc_id);
    group_spec.group_name = lent(config_of.name);
    group_spec.description = lent("Reads alerts");
    llmhost_aws_ec2_ec2_own_security_group_t group;
    named = lent("readers");
    if (!llmhost_aws_ec2_ec2_static_security_group_declare(&named, &group_spec, &options, &group, err)) return false;
    if (!llmhost_aws_ec2_ec2_method_security_group_id(llmhost_aws_ec2_ec2_borrow_security_group(group), &group_id, err)) return false;

    llmhost_aws_ec2_ec2_security_group_rule_spec_t rule_spec{};
    rule_spec.security_group_id = group_id;
    rule_spec.direction = LLMHOST_AWS_EC2_EC2_DIRECTION_INGRESS;
    rule_spec.ip_protocol = lent("tcp");
    rule_spec.from_port = rule_spec.to_port = config_of.port;
    rule_spec.peer.tag = LLMHOST_AWS_EC2_EC2_PEER_CIDR;
    rule_spec.peer.val.cidr = lent(config_of.source);
    rule_spec.description = lent("Readers");
    llmhost_aws_ec2_ec2_own_security_group_rule_t rule;
    if (!llmhost_aws_ec2_ec2_static_security_group_rule_declare(&named, &rule_spec, &options, &rule, err)) return false;

    const std::string said = "alerts of " + config_of.name + " are kept";
    guest_string_t message = lent(said);
    llmhost_plugin_log_write(LLMHOST_PLUGIN_LOG_LEVEL_INFO, &message);

    if (!llmhost_aws_cloud_control_cloud_control_method_entity_identifier(llmhost_aws_cloud_control_cloud_control_borrow_entity(topic), &topic_arn, err)) return false;
    if (!llmhost_aws_s3_s3_method_bucket_arn(llmhost_aws_s3_s3_borrow_bucket(bucket), &bucket_arn, err)) return false;
    json_object outputs{};
    const auto put = [&](const char *key, const guest_string_t &value) {
        json_put(&outputs, key, reinterpret_cast<const char *>(value.ptr), value.len);
    };
    put("topic_arn", topic_arn);
    put("bucket_arn", bucket_arn);
    put("security_group_id", group_id);
    const std::string port = ", \"port\": " + std::to_string(config_of.port);
    json_add(&outputs, port.data(), port.size());
    json_end(&outputs);
    *ret = {reinterpret_cast<uint8_t *>(outputs.text), outputs.bytes};
    return true;
}
