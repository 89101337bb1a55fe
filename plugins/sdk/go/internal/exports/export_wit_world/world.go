// Package export_wit_world is what the generated exports call.
package export_wit_world

import (
	"llmhost.dev/plugin/internal/types"
	wit "llmhost.dev/plugin/internal/wit/types"
)

// Describe and Run are the plugin's, which plugin.Export sets before the host calls.
var (
	Describe func() types.Description
	Run      func(config string) wit.Result[string, types.Failure]
)
