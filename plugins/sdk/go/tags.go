package plugin

import (
	"maps"
	"slices"

	wit "llmhost.dev/plugin/internal/wit/types"
)

// Tag is a key (F0) and a value (F1) attached to a resource.
type Tag = wit.Tuple2[string, string]

// Tags are the keys and values attached to a resource, in the order of their keys.
func Tags(tags map[string]string) []Tag {
	list := make([]Tag, 0, len(tags))
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		list = append(list, Tag{F0: key, F1: tags[key]})
	}
	return list
}
