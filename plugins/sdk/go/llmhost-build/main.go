// llmhost-build makes a plugin or a provider in Go a file for llmhost: llmhost-build [-provider] -o OUT.wasm [PACKAGE].
//
// It compiles the package for WebAssembly and adds the description of the host's interfaces. llmhost makes a component of it
// when it loads it; what is not called is no import of it.
package main

import (
	_ "embed"
	"encoding/binary"
	"flag"
	"fmt"
	"os"
	"os/exec"
)

//go:embed step.bin
var step []byte

//go:embed provider.bin
var provider []byte

func main() {
	out := flag.String("o", "", "the file to write, such as logs.wasm")
	isProvider := flag.Bool("provider", false, "the package is a provider, and no plugin")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "llmhost-build -o OUT.wasm [PACKAGE]              makes a plugin in Go a file for llmhost")
		fmt.Fprintln(os.Stderr, "llmhost-build -provider -o OUT.wasm [PACKAGE]    makes a provider one")
	}
	flag.Parse()
	if *out == "" || flag.NArg() > 1 {
		flag.Usage()
		os.Exit(2)
	}
	world := step
	if *isProvider {
		world = provider
	}
	if err := build(*out, world, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func build(out string, world []byte, packages []string) error {
	made := out + ".new"
	compile := exec.Command("go", append([]string{"build", "-buildmode=c-shared", "-trimpath", "-o", made}, packages...)...)
	compile.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	compile.Stdout, compile.Stderr = os.Stdout, os.Stderr
	if err := compile.Run(); err != nil {
		return fmt.Errorf("it does not compile: %w", err)
	}
	defer os.Remove(made)
	module, err := os.ReadFile(made)
	if err != nil {
		return err
	}
	if err := os.WriteFile(made, append(module, section("component-type:llmhost", world)...), 0o644); err != nil {
		return err
	}
	return os.Rename(made, out)
}

// section is a custom section of a WebAssembly module.
func section(name string, contents []byte) []byte {
	body := binary.AppendUvarint(nil, uint64(len(name)))
	body = append(append(body, name...), contents...)
	return append(binary.AppendUvarint([]byte{0}, uint64(len(body))), body...)
}
