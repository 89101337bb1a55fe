package main

import (
	"llmhost.dev/plugin/files"

	"helm/render"
)

// mostAtOnce is what one call reads.
const mostAtOnce = 256 << 10

// chartFolder is a folder beside the pipeline file. The host gives it because it stands in the step's `with` table.
type chartFolder string

func (f chartFolder) List() ([]render.Entry, error) {
	all, err := files.Entries(string(f))
	if err != nil {
		return nil, err
	}
	entries := make([]render.Entry, len(all))
	for i, file := range all {
		entries[i] = render.Entry{Path: file.Path, Size: file.Size}
	}
	return entries, nil
}

func (f chartFolder) Read(path string) ([]byte, error) { return readFile(string(f) + "/" + path) }

func readFile(name string) ([]byte, error) {
	var data []byte
	for {
		part, err := files.Read(name, uint64(len(data)), mostAtOnce)
		if err != nil {
			return nil, err
		}
		data = append(data, part...)
		if len(part) < mostAtOnce {
			return data, nil
		}
	}
}
