package render

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	chartutil "helm.sh/helm/v4/pkg/chart/v2/util"
	"helm.sh/helm/v4/pkg/engine"
	release "helm.sh/helm/v4/pkg/release/v1"
	releaseutil "helm.sh/helm/v4/pkg/release/v1/util"
)

const notesFile = "NOTES.txt"

// Options are what `helm template` has flags for, and how functions behave that a plan cannot have.
type Options struct {
	Release, Namespace string
	// KubeVersion is the version that templates see; the one that this version of Helm takes where it is empty.
	KubeVersion string
	// APIVersions are seen beside those that every cluster has.
	APIVersions []string
	// IncludeCRDs has the definitions in crds/ as well.
	IncludeCRDs bool
	// SkipSchema leaves out the check of the values by values.schema.json.
	SkipSchema bool
	Functions  Functions
}

// Rendered is a rendered chart.
type Rendered struct {
	// CRDs are the files in crds/, as they are. They come first.
	CRDs []Document
	// Manifests are in the order in which Helm installs them.
	Manifests []Document
	// Hooks are in Helm's order, without regard to their weights.
	Hooks []*release.Hook
	// Notes is NOTES.txt of the chart.
	Notes string
	// Used says what functions the chart called that have no answer in a plan.
	Used Used
}

// Document is a YAML document, or a file of them, and the file in the chart that it came from.
type Document struct{ Source, Text string }

// LoadValues reads a file of values.
func LoadValues(name string, data []byte) (map[string]any, error) {
	values, err := loadValues(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return values, nil
}

// Chart renders a chart with these values. The chart is changed by it: load it anew for another one.
func Chart(of *chart.Chart, values map[string]any, options Options) (*Rendered, error) {
	if err := chartutil.ValidateReleaseName(options.Release); err != nil {
		return nil, fmt.Errorf("release: %w", err)
	}
	if kind := of.Metadata.Type; kind != "" && kind != "application" {
		return nil, fmt.Errorf("%s is a %s chart, which other charts use; it cannot be installed", of.Name(), kind)
	}
	if err := complete(of); err != nil {
		return nil, err
	}
	if err := chartutil.ProcessDependencies(of, values); err != nil {
		return nil, fmt.Errorf("the subcharts of %s: %w", of.Name(), err)
	}
	capabilities, err := capabilities(options)
	if err != nil {
		return nil, err
	}
	if wanted := of.Metadata.KubeVersion; wanted != "" && !chartutil.IsCompatibleRange(wanted, capabilities.KubeVersion.String()) {
		return nil, fmt.Errorf("%s %s is for Kubernetes %s, and kube_version is %s", of.Name(), of.Metadata.Version, wanted, capabilities.KubeVersion.Version)
	}
	about := common.ReleaseOptions{Name: options.Release, Namespace: options.Namespace, Revision: 1, IsInstall: true}
	all, err := util.ToRenderValuesWithSchemaValidation(of, values, about, capabilities, options.SkipSchema)
	if err != nil {
		return nil, err
	}
	rendered := &Rendered{}
	machine := engine.Engine{CustomTemplateFuncs: options.Functions.replaced(&rendered.Used)}
	files, err := machine.Render(of, all)
	if err != nil {
		return nil, placed(err)
	}
	for name, text := range files {
		if strings.HasSuffix(name, notesFile) {
			if name == path.Join(of.Name(), "templates", notesFile) {
				rendered.Notes = text
			}
			delete(files, name)
		}
	}
	hooks, manifests, err := releaseutil.SortManifests(files, nil, releaseutil.InstallOrder)
	if err != nil {
		return nil, shown(err, files)
	}
	if options.IncludeCRDs {
		for _, crd := range of.CRDObjects() {
			rendered.CRDs = append(rendered.CRDs, Document{crd.Filename, string(crd.File.Data)})
		}
	}
	for _, manifest := range manifests {
		rendered.Manifests = append(rendered.Manifests, Document{manifest.Name, manifest.Content})
	}
	rendered.Hooks = hooks
	return rendered, nil
}

// complete refuses a chart that lacks subcharts which Chart.yaml names.
func complete(of *chart.Chart) error {
	missing := []string{}
	for _, named := range of.Metadata.Dependencies {
		is := func(there *chart.Chart) bool { return there.Name() == named.Name }
		if !slices.ContainsFunc(of.Dependencies(), is) {
			missing = append(missing, named.Name)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("%s names subcharts in Chart.yaml that are not in its folder charts: %s; run 'helm dependency build' in the chart's folder", of.Name(), strings.Join(missing, ", "))
	}
	return nil
}

func capabilities(options Options) (*common.Capabilities, error) {
	all := common.DefaultCapabilities.Copy()
	if options.KubeVersion != "" {
		version, err := common.ParseKubeVersion(options.KubeVersion)
		if err != nil {
			return nil, fmt.Errorf("kube_version %s is no version of Kubernetes, such as 1.34: %w", options.KubeVersion, err)
		}
		all.KubeVersion = *version
	}
	all.APIVersions = append(slices.Clone(all.APIVersions), options.APIVersions...)
	return all, nil
}

// Text is what `helm template` writes.
func (r *Rendered) Text() string {
	var text strings.Builder
	for _, document := range append(slices.Clone(r.CRDs), r.Manifests...) {
		fmt.Fprintf(&text, "---\n# Source: %s\n%s\n", document.Source, document.Text)
	}
	whole := strings.TrimSpace(text.String()) + "\n"
	for _, hook := range r.Hooks {
		whole += fmt.Sprintf("---\n# Source: %s\n%s\n", hook.Path, hook.Manifest)
	}
	return whole
}
