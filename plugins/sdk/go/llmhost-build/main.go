// llmhost-build makes a plugin or a provider in Go a file for llmhost: llmhost-build -o OUT.wasm [PACKAGE].
//
// It compiles the package for WebAssembly and adds the description of the host's interfaces. llmhost makes a component of it
// when it loads it; what is not called is no import of it. What imports llmhost.dev/plugin/provider is a provider.
package main

import (
	_ "embed"
	"encoding/binary"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
)

//go:embed step.bin
var step []byte

//go:embed provider.bin
var provider []byte

func main() {
	out := flag.String("o", "", "the file to write, such as logs.wasm")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "llmhost-build -o OUT.wasm [PACKAGE]    makes a plugin or a provider in Go a file for llmhost")
	}
	flag.Parse()
	if *out == "" || flag.NArg() > 1 {
		flag.Usage()
		os.Exit(2)
	}
	if err := build(*out, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func build(out string, packages []string) error {
	made := out + ".new"
	compile := tool(append([]string{"build", "-buildmode=c-shared", "-trimpath", "-o", made}, packages...))
	compile.Stdout = os.Stdout
	if err := compile.Run(); err != nil {
		return fmt.Errorf("it does not compile: %w", err)
	}
	defer os.Remove(made)
	module, err := os.ReadFile(made)
	if err != nil {
		return err
	}
	imports, err := tool(append([]string{"list", "-deps"}, packages...)).Output()
	if err != nil {
		return fmt.Errorf("its imports cannot be listed: %w", err)
	}
	world := step
	if slices.Contains(strings.Fields(string(imports)), "llmhost.dev/plugin/provider") {
		world = provider
	}
	if err := os.WriteFile(made, append(module, section("component-type:llmhost", world)...), 0o644); err != nil {
		return err
	}
	return os.Rename(made, out)
}

// tool is Go's own, for WebAssembly.
func tool(arguments []string) *exec.Cmd {
	command := exec.Command("go", arguments...)
	command.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	command.Stderr = os.Stderr
	return command
}

// section is a custom section of a WebAssembly module.
func section(name string, contents []byte) []byte {
	body := binary.AppendUvarint(nil, uint64(len(name)))
	body = append(append(body, name...), contents...)
	return append(binary.AppendUvarint([]byte{0}, uint64(len(body))), body...)
}
