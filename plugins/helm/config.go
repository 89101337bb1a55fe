package main

import (
	"encoding/base64"
	"fmt"
	"path"
	"strings"
	"time"

	chart "helm.sh/helm/v4/pkg/chart/v2"
	"llmhost.dev/plugin"
	"llmhost.dev/plugin/kube"

	"helm/render"
)

// defaultNow is what the sandbox's clock begins with.
const defaultNow = "2025-01-01T00:00:00Z"

// Config is what stands in the step's `with` table.
type Config struct {
	Chart        *string        `json:"chart" description:"The chart: its folder or its packed file (.tgz) beside the pipeline file, or its address in a registry with the digest (oci://HOST/NAME:TAG@sha256:…)."`
	ChartArchive *string        `json:"chart_archive" description:"A packed chart itself, in base64, where it is no file."`
	Release      string         `json:"release" description:"Name of the release, .Release.Name in the chart." pattern:"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"`
	Namespace    string         `json:"namespace" description:"Namespace of the release, and of objects that state none." default:"default"`
	Values       map[string]any `json:"values" description:"Values for the chart. They count before those of value_files." default:"{}"`
	ValueFiles   []string       `json:"value_files" description:"Files of values beside the pipeline file. Later ones count before earlier ones." default:"[]"`

	KubeVersion *string  `json:"kube_version" description:"Version of Kubernetes that the chart sees, such as 1.34. By default the one that Helm takes."`
	APIVersions []string `json:"api_versions" description:"API versions that the chart sees beside those of Kubernetes: monitoring.coreos.com/v1." default:"[]"`
	IncludeCRDs bool     `json:"include_crds" description:"Make the definitions in the chart's folder crds, too." default:"true"`
	SkipSchema  bool     `json:"skip_schema" description:"Do not check the values by the chart's values.schema.json." default:"false"`

	Cluster         *string  `json:"cluster" description:"Name of the EKS cluster."`
	Target          *Target  `json:"target" description:"Where the objects go, where it is not an EKS cluster."`
	CreateNamespace bool     `json:"create_namespace" description:"Make the namespace." default:"false"`
	Wait            bool     `json:"wait" description:"Wait until everything is rolled out. Hooks are waited for anyway." default:"true"`
	WaitForJobs     bool     `json:"wait_for_jobs" description:"Wait for Jobs of the chart that are no hooks, too." default:"false"`
	WaitMinutes     uint32   `json:"wait_minutes" description:"How long one object may take." default:"10" minimum:"1" maximum:"1440"`
	Adopt           bool     `json:"adopt" description:"Manage objects that are there already." default:"false"`
	ForceConflicts  bool     `json:"force_conflicts" description:"Take over fields that others manage." default:"false"`
	LeaveOut        []string `json:"leave_out" description:"Objects that are not made: Secret/db." default:"[]"`
	ClusterWide     []string `json:"cluster_wide" description:"Kinds of custom objects that belong to no namespace, where neither their name nor the chart says so: Widget.example.org." default:"[]"`

	Lookup string `json:"lookup" description:"What happens where the chart looks into the cluster while it renders: it finds nothing, with a warning (empty), or the step fails (refuse)." enum:"empty,refuse" default:"empty"`
	Random string `json:"random" description:"What happens where the chart makes up passwords, keys or UUIDs: the step fails (refuse), or they are the same in every run and for everybody, so nothing for a secret (fixed)." enum:"refuse,fixed" default:"refuse"`
	Now    string `json:"now" description:"The time that the chart sees." default:"2025-01-01T00:00:00Z"`
}

// Target is where objects go, where it is not an EKS cluster.
type Target struct {
	Kubeconfig *Kubeconfig `json:"kubeconfig" description:"A context of a kubeconfig."`
	Manifests  *string     `json:"manifests" description:"A folder beside the pipeline file that gets the manifests, one YAML file an object, for clusters that are fed from a repository."`
}

// Kubeconfig is a context of a kubeconfig.
type Kubeconfig struct {
	Path    *string `json:"path" description:"Path of the file; the standard one where it is absent."`
	Context string  `json:"context" description:"Name of the context."`
}

func invalid(format string, values ...any) error {
	return plugin.Fail(plugin.Invalid, fmt.Sprintf(format, values...))
}

// target is where the objects go.
func (c Config) target() (kube.Target, error) {
	if c.Target == nil {
		if c.Cluster == nil {
			return kube.Target{}, invalid("state cluster, or where else the objects go (target)")
		}
		return kube.MakeTargetEks(*c.Cluster), nil
	}
	if c.Cluster != nil || (c.Target.Kubeconfig == nil) == (c.Target.Manifests == nil) {
		return kube.Target{}, invalid("state one of cluster, target.kubeconfig and target.manifests")
	}
	if c.Target.Manifests != nil {
		return kube.MakeTargetFolder(*c.Target.Manifests), nil
	}
	file := kube.Kubeconfig{Context: c.Target.Kubeconfig.Context}
	if c.Target.Kubeconfig.Path != nil {
		file.Path = plugin.Some(*c.Target.Kubeconfig.Path)
	}
	return kube.MakeTargetKubeconfig(file), nil
}

// loadChart is the chart that the step names.
func (c Config) loadChart() (*chart.Chart, error) {
	if (c.Chart == nil) == (c.ChartArchive == nil) {
		return nil, invalid("state chart: the chart's folder or its packed file beside the pipeline file, or its address in a registry (oci://…@sha256:…)")
	}
	if c.ChartArchive != nil {
		data, err := base64.StdEncoding.DecodeString(strings.TrimSpace(*c.ChartArchive))
		if err != nil {
			return nil, invalid("chart_archive is not in base64: %v", err)
		}
		return render.LoadArchive(data)
	}
	var loaded *chart.Chart
	var err error
	if isPacked(*c.Chart) {
		var data []byte
		if data, err = readFile(*c.Chart); err == nil {
			loaded, err = render.LoadArchive(data)
		}
	} else {
		loaded, err = render.LoadFolder(chartFolder(*c.Chart))
	}
	if err != nil {
		return nil, fmt.Errorf("the chart %s: %w", *c.Chart, err)
	}
	return loaded, nil
}

// isPacked says whether a chart is one file. The host fetches one in a registry, by its digest, and gives it as a file.
func isPacked(chart string) bool {
	extension := path.Ext(chart)
	return strings.HasPrefix(chart, "oci://") || extension == ".tgz" || extension == ".gz"
}

// rendering are the options of the rendering.
func (c Config) rendering() (render.Options, error) {
	now, err := time.Parse(time.RFC3339, c.Now)
	if err != nil {
		return render.Options{}, invalid("now is no time such as %s", defaultNow)
	}
	options := render.Options{
		Release: c.Release, Namespace: c.Namespace, APIVersions: c.APIVersions, IncludeCRDs: c.IncludeCRDs, SkipSchema: c.SkipSchema,
		Functions: render.Functions{Now: now, IsUnknown: isUnknown},
	}
	if c.KubeVersion != nil {
		options.KubeVersion = *c.KubeVersion
	}
	if c.Lookup == "refuse" {
		options.Functions.Lookup = render.Refuse
	}
	if c.Random == "refuse" {
		options.Functions.Random = render.Refuse
	}
	return options, nil
}

// choices are what the step says about the objects.
func (c Config) choices() render.Choices {
	return render.Choices{Namespace: c.Namespace, ClusterWide: c.ClusterWide, LeaveOut: c.LeaveOut, Values: c.Values}
}

// isUnknown says whether a text holds a token of what is not known yet. Charts have files that are no text, which the host cannot take.
func isUnknown(text string) bool {
	return strings.Contains(text, "<<") && !plugin.IsKnown(strings.ToValidUTF8(text, ""))
}
