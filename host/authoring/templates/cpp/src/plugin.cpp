// A bucket for logs, which are deleted after some days.
#include <memory>
#include <string>
#include <string_view>

#include "guest.h"
#include "json.h"

namespace {

// JSON Schema of the step's `with` table. llmhost checks it and fills the defaults in.
constexpr const char *schema = R"({
  "type": "object",
  "additionalProperties": false,
  "required": ["bucket"],
  "properties": {
    "bucket": {"type": "string", "description": "Name of the bucket."},
    "keep_days": {"type": "integer", "minimum": 1, "default": 30, "description": "Days until a log is deleted."}
  }
})";

/// What stands in the step's `with` table; the schema above says the same.
struct Options {
    std::string bucket;
    uint32_t keep_days;

    explicit Options(std::string_view json)
        : bucket(read(json, "bucket")),
          keep_days(static_cast<uint32_t>(json_integer(json.data(), json.size(), "keep_days", 30))) {}

  private:
    static std::string read(std::string_view json, const char *key) {
        std::unique_ptr<char, decltype(&free)> text(json_text(json.data(), json.size(), key), free);
        return text ? text.get() : "";
    }
};

/// A text that a call of the host reads, and that stays with the caller.
guest_string_t lent(std::string_view text) {
    return {reinterpret_cast<uint8_t *>(const_cast<char *>(text.data())), text.size()};
}

/// A text that the host gave.
std::string taken(guest_string_t &text) {
    std::string copy(reinterpret_cast<const char *>(text.ptr), text.len);
    guest_string_free(&text);
    return copy;
}

} // namespace

// What is returned is freed by the bindings, so texts are copied (`dup`).
void exports_guest_describe(guest_description_t *ret) {
    constexpr const char *outputs[][2] = {{"name", "Name of the bucket"}, {"arn", "ARN of the bucket"}};
    *ret = {};
    guest_string_dup(&ret->summary, "A bucket for logs, which are deleted after some days.");
    guest_string_dup(&ret->config_schema, schema);
    ret->outputs.ptr = static_cast<llmhost_plugin_types_output_doc_t *>(calloc(std::size(outputs), sizeof *ret->outputs.ptr));
    if (ret->outputs.ptr == nullptr) abort();
    for (auto [name, words] : outputs) {
        auto &doc = ret->outputs.ptr[ret->outputs.len++];
        guest_string_dup(&doc.name, name);
        guest_string_dup(&doc.description, words);
        doc.value_type = {true, LLMHOST_PLUGIN_TYPES_VALUE_TYPE_TEXT};
    }
}

bool exports_guest_run(guest_string_t *config, guest_string_t *ret, guest_failure_t *err) {
    const Options options({reinterpret_cast<const char *>(config->ptr), config->len});

    llmhost_aws_s3_s3_lifecycle_rule_t expire{};
    expire.id = lent("expire");
    expire.expire_after_days = {true, options.keep_days};
    llmhost_aws_s3_s3_bucket_spec_t spec{};
    spec.bucket = lent(options.bucket);
    spec.block_public_access = true;
    spec.encryption.tag = LLMHOST_AWS_S3_S3_ENCRYPTION_S3_MANAGED;
    spec.lifecycle = {&expire, 1};
    llmhost_aws_s3_s3_options_t after{};
    guest_string_t logs = lent("logs"), name, arn;
    llmhost_aws_s3_s3_own_bucket_t bucket;
    // Says what should exist, and returns at once; reading an output waits until it does. A failure of the host is
    // returned as it is.
    if (!llmhost_aws_s3_s3_static_bucket_declare(&logs, &spec, &after, &bucket, err)) return false;
    auto of = llmhost_aws_s3_s3_borrow_bucket(bucket);
    if (!llmhost_aws_s3_s3_method_bucket_bucket_name(of, &name, err)) return false;
    if (!llmhost_aws_s3_s3_method_bucket_arn(of, &arn, err)) return false;

    const std::string message = "logs stay " + std::to_string(options.keep_days) + " days";
    guest_string_t said = lent(message);
    llmhost_plugin_log_write(LLMHOST_PLUGIN_LOG_LEVEL_INFO, &said);

    json_object outputs{};
    for (const auto &[key, value] : {std::pair{"name", taken(name)}, std::pair{"arn", taken(arn)}}) {
        json_put(&outputs, key, value.data(), value.size());
    }
    json_end(&outputs);
    *ret = {reinterpret_cast<uint8_t *>(outputs.text), outputs.bytes};
    return true;
}
