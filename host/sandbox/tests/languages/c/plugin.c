// A plugin in C, by the component model's own ABI, that crashes as its configuration says.
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

__attribute__((import_module("llmhost:plugin/log@0.1.0"), import_name("write")))
void log_write(int32_t level, const char *text, size_t bytes);

struct text { const char *start; size_t bytes; };
struct description { struct text summary, schema; void *outputs; size_t output_count; };
struct outcome { int32_t failed; struct text value; int32_t unused; };

static struct text text(const char *start) { return (struct text){ start, strlen(start) }; }

__attribute__((export_name("cabi_realloc")))
void *cabi_realloc(void *old, size_t old_bytes, size_t align, size_t bytes) { return realloc(old, bytes); }

__attribute__((export_name("describe")))
struct description *describe(void) {
    static struct description result;
    result = (struct description){ .summary = text("Crashes."), .schema = text("{}") };
    return &result;
}

__attribute__((noinline)) static int keep(int days) {
    assert(days > 0);
    return days;
}

__attribute__((noinline)) static int overflow(volatile int *days) { return *days; }

__attribute__((export_name("run")))
struct outcome *run(const char *config, size_t bytes) {
    static struct outcome result;
    log_write(1, "keeping", 7);
    if (bytes > 0 && memmem(config, bytes, "assert", 6)) keep(-1);
    if (bytes > 0 && memmem(config, bytes, "pointer", 7)) overflow((int *)0x7fffff00);
    result = (struct outcome){ .value = text("{}") };
    return &result;
}
