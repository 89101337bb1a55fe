# A formula for a tap: brew install --HEAD OWNER/TAP/llmhost, or with url and sha256 of a release's source.
class Llmhost < Formula
  desc "WebAssembly plugin host that stands up and serves language models on EKS"
  homepage "https://github.com/llmhost/llmhost"
  license "Apache-2.0"
  head "https://github.com/llmhost/llmhost.git", branch: "main"

  depends_on "go" => :build
  depends_on "rustup" => :build
  # For the emulators of `llmhost rehearse`; nothing else needs it.
  depends_on "python@3.13"

  def install
    # The plugins are compiled for WebAssembly, which Homebrew's own Rust has no standard library for.
    ENV["RUSTUP_HOME"] = buildpath/"rustup"
    ENV["CARGO_HOME"] = buildpath/"cargo"
    ENV.prepend_path "PATH", Formula["rustup"].opt_bin
    system "rustup", "toolchain", "install", "stable", "--profile", "minimal"
    system "rustup", "target", "add", "wasm32-unknown-unknown"
    system "cargo", "xtask", "release"
    bin.install "target/release/llmhost"
    generate_completions_from_executable(bin/"llmhost", "completions")
  end

  test do
    (testpath/"pipeline.toml").write <<~TOML
      [pipeline]
      name = "try"
      region = "us-east-1"

      [steps.logs]
      uses = "s3"
      with = { bucket = "logs-of-a-test" }
    TOML
    assert_match "1 to create", shell_output("#{bin}/llmhost run pipeline.toml --dry-run")
  end
end
