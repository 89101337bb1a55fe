// render-chart renders a chart that stands on standard input as JSON, and writes what `helm template` would. It is the part of the
// plugin that renders, alone, for comparing it with Helm: in a sandbox of WebAssembly, without files.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	chart "helm.sh/helm/v4/pkg/chart/v2"

	"helm/render"
)

type request struct {
	// Archive is a packed chart; Files are those of one that is not packed.
	Archive []byte        `json:"archive"`
	Files   []render.File `json:"files"`
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
		loaded, err := asked.load()
		if err != nil {
			return err
		}
		rendered, err := render.Chart(loaded, render.MergeValues(asked.Values), render.Options{
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

func (r request) load() (*chart.Chart, error) {
	if r.Archive != nil {
		return render.LoadArchive(r.Archive)
	}
	return render.LoadFolder(folder(r.Files))
}

// folder is a chart's files in memory.
type folder []render.File

func (f folder) List() ([]render.Entry, error) {
	entries := make([]render.Entry, len(f))
	for i, file := range f {
		entries[i] = render.Entry{Path: file.Path, Size: uint64(len(file.Data))}
	}
	return entries, nil
}

func (f folder) Read(path string) ([]byte, error) {
	for _, file := range f {
		if file.Path == path {
			return file.Data, nil
		}
	}
	return nil, fmt.Errorf("there is no file %s", path)
}
