//go:build !wasm

package aws

import (
	wit "llmhost.dev/plugin/internal/aws"
	"llmhost.dev/plugin/internal/wit/types"
)

// send has no host to ask outside of WebAssembly, where tests run.
var send = alone

func alone(wit.Message) (string, error) {
	return "", wit.Error{Class: wit.ErrorClassUnreachable, Message: "only llmhost makes calls", Advice: types.Some("Run the provider in llmhost.")}
}
