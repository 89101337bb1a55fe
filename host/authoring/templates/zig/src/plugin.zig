//! A bucket for logs, which are deleted after some days.
const std = @import("std");
const guest = @import("guest");

const gpa = std.heap.c_allocator;

/// What stands in the step's `with` table; the schema below says the same.
const Options = struct { bucket: []const u8, keep_days: u32 = 30 };

/// What the step gives to others.
const Outputs = struct { name: []const u8, arn: []const u8 };

/// JSON Schema of the step's `with` table. llmhost checks it and fills the defaults in.
const schema =
    \\{
    \\  "type": "object",
    \\  "additionalProperties": false,
    \\  "required": ["bucket"],
    \\  "properties": {
    \\    "bucket": {"type": "string", "description": "Name of the bucket."},
    \\    "keep_days": {"type": "integer", "minimum": 1, "default": 30, "description": "Days until a log is deleted."}
    \\  }
    \\}
;

/// A text that a call of the host reads, and that stays with the caller.
fn lent(text: []const u8) guest.guest_string_t {
    return .{ .ptr = @constCast(text.ptr), .len = text.len };
}

/// A copy of a text for the host, which frees it.
fn given(text: []const u8) guest.guest_string_t {
    return lent(gpa.dupe(u8, text) catch @panic("out of memory"));
}

/// A text that the host gave.
fn taken(text: guest.guest_string_t) []const u8 {
    return text.ptr[0..text.len];
}

fn output(name: []const u8, words: []const u8) guest.llmhost_plugin_types_output_doc_t {
    return .{
        .name = given(name),
        .description = given(words),
        .value_type = .{ .is_some = true, .val = guest.LLMHOST_PLUGIN_TYPES_VALUE_TYPE_TEXT },
    };
}

export fn exports_guest_describe(ret: *guest.guest_description_t) void {
    const outputs = gpa.dupe(guest.llmhost_plugin_types_output_doc_t, &.{
        output("name", "Name of the bucket"),
        output("arn", "ARN of the bucket"),
    }) catch @panic("out of memory");
    ret.* = .{
        .summary = given("A bucket for logs, which are deleted after some days."),
        .config_schema = given(schema),
        .outputs = .{ .ptr = outputs.ptr, .len = outputs.len },
    };
}

export fn exports_guest_run(config: *guest.guest_string_t, ret: *guest.guest_string_t, err: *guest.guest_failure_t) bool {
    const parsed = std.json.parseFromSlice(Options, gpa, taken(config.*), .{}) catch |failure| {
        err.* = .{ .code = guest.LLMHOST_PLUGIN_TYPES_FAILURE_CODE_INVALID, .message = given(@errorName(failure)) };
        return false;
    };
    const options = parsed.value;

    var expire: guest.llmhost_aws_s3_s3_lifecycle_rule_t = .{
        .id = lent("expire"),
        .expire_after_days = .{ .is_some = true, .val = options.keep_days },
    };
    var spec: guest.llmhost_aws_s3_s3_bucket_spec_t = .{
        .bucket = lent(options.bucket),
        .block_public_access = true,
        .encryption = .{ .tag = guest.LLMHOST_AWS_S3_S3_ENCRYPTION_S3_MANAGED },
        .lifecycle = .{ .ptr = &expire, .len = 1 },
    };
    var logs = lent("logs");
    var after: guest.llmhost_aws_s3_s3_options_t = .{};
    var bucket: guest.llmhost_aws_s3_s3_own_bucket_t = undefined;
    var name: guest.guest_string_t = undefined;
    var arn: guest.guest_string_t = undefined;
    // Says what should exist, and returns at once; reading an output waits until it does. A failure of the host is
    // returned as it is.
    if (!guest.llmhost_aws_s3_s3_static_bucket_declare(&logs, &spec, &after, &bucket, err)) return false;
    const of = guest.llmhost_aws_s3_s3_borrow_bucket(bucket);
    if (!guest.llmhost_aws_s3_s3_method_bucket_bucket_name(of, &name, err)) return false;
    if (!guest.llmhost_aws_s3_s3_method_bucket_arn(of, &arn, err)) return false;

    var buffer: [64]u8 = undefined;
    var message = lent(std.fmt.bufPrint(&buffer, "logs stay {d} days", .{options.keep_days}) catch unreachable);
    guest.llmhost_plugin_log_write(guest.LLMHOST_PLUGIN_LOG_LEVEL_INFO, &message);

    const outputs: Outputs = .{ .name = taken(name), .arn = taken(arn) };
    const json = std.json.Stringify.valueAlloc(gpa, outputs, .{}) catch @panic("out of memory");
    ret.* = lent(json);
    return true;
}
