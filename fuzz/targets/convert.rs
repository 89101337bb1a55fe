//! A file of eksctl, or the state of Terraform.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Ok(converted) = llmhost_convert::convert(data) {
        let _ = converted.report.text();
    }
});
