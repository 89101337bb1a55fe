package render

import (
	"bytes"

	"helm.sh/helm/v4/pkg/chart/v2/loader"
)

func loadValues(data []byte) (map[string]any, error) {
	return loader.LoadValues(bytes.NewReader(bytes.TrimPrefix(data, utf8BOM)))
}

// MergeValues lays later values over earlier ones, as several files of values are.
func MergeValues(all ...map[string]any) map[string]any {
	merged := map[string]any{}
	for _, values := range all {
		merged = loader.MergeMaps(merged, values)
	}
	return merged
}
