//go:build !wasm

package http

import wit "llmhost.dev/plugin/internal/http"

// send has no host to ask outside of WebAssembly, where tests run.
var send = alone

func alone(wit.Request) (wit.Response, error) {
	return wit.Response{}, wit.Error{Class: wit.ErrorClassUnreachable, Message: "only llmhost sends requests", Advice: "Run the provider in llmhost."}
}
