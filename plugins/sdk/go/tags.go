package plugin

import (
	"maps"
	"slices"

	wit "llmhost.dev/plugin/internal/wit/types"
)

// Tags are the keys and values attached to a resource, in the order of their keys.
func Tags(tags map[string]string) []wit.Tuple2[string, string] {
	list := make([]wit.Tuple2[string, string], 0, len(tags))
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		list = append(list, wit.Tuple2[string, string]{F0: key, F1: tags[key]})
	}
	return list
}
