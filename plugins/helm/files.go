package main

import "helm/render"

// A host without llmhost:plugin/folder has no way to read files.
type chartFolder string

func (f chartFolder) List() ([]render.Entry, error) { return nil, unreadable(string(f)) }
func (f chartFolder) Read(path string) ([]byte, error) {
	return nil, unreadable(string(f) + "/" + path)
}

func readFile(name string) ([]byte, error) { return nil, unreadable(name) }

func unreadable(name string) error {
	return invalid("%s cannot be read: this llmhost gives no files to plugins; give the packed chart itself with chart_archive, and its values with values", name)
}
