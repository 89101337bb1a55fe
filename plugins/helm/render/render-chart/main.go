// render-chart renders a chart that stands on standard input as JSON, and writes what `helm template` would. It is the part of the
// plugin that renders, alone, for comparing it with Helm: in a sandbox of WebAssembly, without files.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	"helm/render"
)

type request struct {
	// Archive is a packed chart.
	Archive []byte `json:"archive"`
	// Times is how often it is rendered; how long the last time took goes to standard error.
	Times       int            `json:"times"`
	Release     string         `json:"release"`
	Namespace   string         `json:"namespace"`
	KubeVersion string         `json:"kube_version"`
	APIVersions []string       `json:"api_versions"`
	IncludeCRDs bool           `json:"include_crds"`
	Values      map[string]any `json:"values"`
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run() error {
	var asked request
	if err := json.NewDecoder(os.Stdin).Decode(&asked); err != nil {
		return err
	}
	var text string
	for range max(1, asked.Times) {
		began := time.Now()
		chart, err := render.LoadArchive(asked.Archive)
		if err != nil {
			return err
		}
		rendered, err := render.Chart(chart, render.MergeValues(asked.Values), render.Options{
			Release: asked.Release, Namespace: asked.Namespace, KubeVersion: asked.KubeVersion, APIVersions: asked.APIVersions,
			IncludeCRDs: asked.IncludeCRDs,
		})
		if err != nil {
			return err
		}
		text = rendered.Text()
		fmt.Fprintf(os.Stderr, "rendered in %d us\n", time.Since(began).Microseconds())
	}
	_, err := os.Stdout.WriteString(text)
	return err
}
