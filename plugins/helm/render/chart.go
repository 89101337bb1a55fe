// Package render is `helm template` as a function: Helm's own packages load a chart, check its values and render it, and what comes
// out is split into objects in Helm's order. It reads no file, asks nobody, and gives the same for the same input.
package render

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	_ "helm/render/arguments"

	"helm.sh/helm/v4/pkg/chart/loader/archive"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/ignore"
	"sigs.k8s.io/yaml"
)

// File is a file of a chart: its path from the chart's folder, with slashes, and what is in it.
type File struct {
	Path string `json:"path"`
	Data []byte `json:"data"`
}

// Folder is where the files of a chart that is not packed are.
type Folder interface {
	// List has the path and the size of every file, from the folder, with slashes.
	List() ([]Entry, error)
	// Read is what is in a file.
	Read(path string) ([]byte, error)
}

// Entry is a file in a list.
type Entry struct {
	Path string
	Size uint64
}

var utf8BOM = []byte{0xEF, 0xBB, 0xBF}

// LoadArchive loads a packed chart (.tgz).
func LoadArchive(data []byte) (*chart.Chart, error) {
	if err := checkArchive(data); err != nil {
		return nil, err
	}
	files, err := archive.LoadArchiveFiles(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("it is no packed chart: %w; 'helm package' makes one", err)
	}
	return load(files)
}

// checkArchive refuses what Helm's loader takes and no chart has: links, which it would read as empty files, and an archive without
// end, whose headers it does not count.
func checkArchive(data []byte) error {
	unzipped, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return fmt.Errorf("it is no packed chart: %w; 'helm package' makes one", err)
	}
	limited := &io.LimitedReader{R: unzipped, N: archive.MaxDecompressedChartSize + 1}
	entries := tar.NewReader(limited)
	for {
		entry, err := entries.Next()
		switch {
		case limited.N <= 0:
			return fmt.Errorf("it unpacks to more than %d MiB, which is all that a chart may have", archive.MaxDecompressedChartSize>>20)
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("it is no packed chart: %w; 'helm package' makes one", err)
		}
		switch entry.Typeflag {
		case tar.TypeSymlink, tar.TypeLink, tar.TypeChar, tar.TypeBlock, tar.TypeFifo:
			return fmt.Errorf("%s in it is a link or a device, and a chart has files alone; 'helm package' packs what links lead to", entry.Name)
		}
	}
}

// LoadFolder loads a chart that is not packed. What .helmignore names is not read.
func LoadFolder(folder Folder) (*chart.Chart, error) {
	entries, err := folder.List()
	if err != nil {
		return nil, err
	}
	// Helm walks a folder in the order of the names.
	slices.SortFunc(entries, func(a, b Entry) int { return strings.Compare(a.Path, b.Path) })
	rules := ignore.Empty()
	if slices.ContainsFunc(entries, func(entry Entry) bool { return entry.Path == ignore.HelmIgnore }) {
		text, err := folder.Read(ignore.HelmIgnore)
		if err != nil {
			return nil, err
		}
		if rules, err = ignore.Parse(bytes.NewReader(text)); err != nil {
			return nil, fmt.Errorf("%s: %w", ignore.HelmIgnore, err)
		}
	}
	rules.AddDefaults()
	budget := uint64(archive.MaxDecompressedChartSize)
	files := []*archive.BufferedFile{}
	for _, entry := range entries {
		if ignored(rules, entry.Path) {
			continue
		}
		if entry.Size > budget {
			return nil, fmt.Errorf("the chart is larger than %d MiB; name what does not belong to it in %s", archive.MaxDecompressedChartSize>>20, ignore.HelmIgnore)
		}
		budget -= entry.Size
		data, err := folder.Read(entry.Path)
		if err != nil {
			return nil, err
		}
		files = append(files, &archive.BufferedFile{Name: entry.Path, Data: bytes.TrimPrefix(data, utf8BOM)})
	}
	return load(files)
}

// ignored says whether the rules name a file or a folder that it is in.
func ignored(rules *ignore.Rules, file string) bool {
	parts := strings.Split(file, "/")
	for i := range parts {
		if rules.Ignore(path.Join(parts[:i+1]...), node{parts[i], i < len(parts)-1}) {
			return true
		}
	}
	return false
}

// node is what Helm's rules ask of a file.
type node struct {
	name     string
	isFolder bool
}

func (n node) Name() string       { return n.name }
func (n node) Size() int64        { return 0 }
func (n node) ModTime() time.Time { return time.Time{} }
func (n node) IsDir() bool        { return n.isFolder }
func (n node) Sys() any           { return nil }
func (n node) Mode() fs.FileMode {
	if n.isFolder {
		return fs.ModeDir
	}
	return 0
}

func load(files []*archive.BufferedFile) (*chart.Chart, error) {
	for _, file := range files {
		if file.Name != "Chart.yaml" {
			continue
		}
		var head struct {
			APIVersion string `json:"apiVersion"`
		}
		// What is wrong with the file, Helm says itself.
		if err := yaml.Unmarshal(file.Data, &head); err == nil && head.APIVersion != "" && head.APIVersion != "v1" && head.APIVersion != "v2" {
			return nil, fmt.Errorf("Chart.yaml: charts of apiVersion %s are not supported; v1 and v2 are", head.APIVersion)
		}
	}
	loaded, err := loader.LoadFiles(files)
	if err != nil {
		return nil, err
	}
	inOrder(loaded)
	return loaded, nil
}

// inOrder gives subcharts one order. Helm takes them from a map, in any order, and definitions of theirs come out in it.
func inOrder(of *chart.Chart) {
	subcharts := slices.Clone(of.Dependencies())
	slices.SortStableFunc(subcharts, func(a, b *chart.Chart) int { return strings.Compare(a.Name(), b.Name()) })
	of.SetDependencies(subcharts...)
	for _, subchart := range subcharts {
		inOrder(subchart)
	}
}
