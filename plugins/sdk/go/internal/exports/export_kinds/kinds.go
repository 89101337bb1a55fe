// Package export_kinds is what the generated exports of a provider call.
package export_kinds

import (
	"llmhost.dev/plugin/internal/kinds"
	wit "llmhost.dev/plugin/internal/wit/types"
)

// The provider's functions, which provider.Export sets before the host calls.
var (
	Describe func() kinds.Description
	Create   func(config, kind, spec, token string) wit.Result[kinds.Created, kinds.Error]
	Find     func(config, kind, spec, token string) wit.Result[wit.Option[kinds.Created], kinds.Error]
	Read     func(config, kind, id, spec string) wit.Result[wit.Option[kinds.Observed], kinds.Error]
	Update   func(config, kind, id, old, new string) wit.Result[string, kinds.Error]
	Delete   func(config, kind, id, spec string) wit.Result[wit.Unit, kinds.Error]
)
