package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
)

// A machine, as the authority tells of it.
type machine struct {
	Name         string
	Labels       map[string]string
	Taints       []core.Taint
	InstanceType string `json:"instance_type"`
	GPU          int64
	// In millicores.
	CPU int64
	// In bytes.
	Memory       int64
	Architecture string
	GPUPlugin    bool `json:"gpu_plugin_builtin"`
}

// Keeps the cluster's nodes like its machines, and tells of each pod what its image's name says, as the
// emulator does: one with `does-not-exist` in it cannot be pulled, `exits-with-1` ends so, `never-ready`
// runs and never gets ready, all others run.
func (p *plane) kubelet() {
	heard := time.Now()
	for ; p.running.Err() == nil; time.Sleep(200 * time.Millisecond) {
		if p.nodes() == nil {
			heard = time.Now()
		} else if time.Since(heard) > patience {
			// Whoever wanted this cluster has ended, and cannot say that it is not needed any more.
			p.stop()
			return
		}
		p.pods()
	}
}

// How long a cluster's authority may be silent.
const patience = 30 * time.Second

// Makes the nodes what the authority says; it is an error when that does not answer.
func (p *plane) nodes() error {
	answer, err := http.Get(p.users + "/nodes")
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	var machines []machine
	if json.NewDecoder(answer.Body).Decode(&machines) != nil {
		return nil
	}
	known, err := p.client.CoreV1().Nodes().List(p.running, meta.ListOptions{})
	if err != nil {
		return nil
	}
	gone := map[string]core.Node{}
	for _, node := range known.Items {
		gone[node.Name] = node
	}
	plugin := p.hasDevicePlugin()
	for _, machine := range machines {
		node, found := gone[machine.Name]
		delete(gone, machine.Name)
		wanted := machine.node(plugin)
		if !found {
			made, err := p.client.CoreV1().Nodes().Create(p.running, wanted, meta.CreateOptions{})
			if err != nil {
				continue
			}
			node = *made
		}
		if _, has := node.Status.Allocatable["nvidia.com/gpu"]; !found || has != (machine.offers(plugin)) {
			node.Status = wanted.Status
			p.client.CoreV1().Nodes().UpdateStatus(p.running, &node, meta.UpdateOptions{})
		}
	}
	for name := range gone {
		p.client.CoreV1().Nodes().Delete(p.running, name, meta.DeleteOptions{})
		p.evict(name)
	}
	return nil
}

func (m machine) offers(plugin bool) bool { return m.GPU > 0 && (plugin || m.GPUPlugin) }

func (m machine) node(plugin bool) *core.Node {
	labels := map[string]string{
		"kubernetes.io/hostname": m.Name, "kubernetes.io/arch": m.Architecture, "kubernetes.io/os": "linux",
		"node.kubernetes.io/instance-type": m.InstanceType,
	}
	for key, value := range m.Labels {
		labels[key] = value
	}
	resources := core.ResourceList{
		"cpu": *resource.NewMilliQuantity(m.CPU, resource.DecimalSI), "memory": *resource.NewQuantity(m.Memory, resource.BinarySI),
		"pods": resource.MustParse("110"), "ephemeral-storage": resource.MustParse("80Gi"),
	}
	if m.offers(plugin) {
		resources["nvidia.com/gpu"] = *resource.NewQuantity(m.GPU, resource.DecimalSI)
	}
	now := meta.Now()
	return &core.Node{
		ObjectMeta: meta.ObjectMeta{Name: m.Name, Labels: labels},
		Spec:       core.NodeSpec{Taints: m.Taints},
		Status: core.NodeStatus{
			Capacity: resources, Allocatable: resources,
			Conditions: []core.NodeCondition{{
				Type: core.NodeReady, Status: core.ConditionTrue, Reason: "KubeletReady", LastHeartbeatTime: now, LastTransitionTime: now,
			}},
		},
	}
}

// Whether something in the cluster makes GPUs known.
func (p *plane) hasDevicePlugin() bool {
	sets, err := p.client.AppsV1().DaemonSets("").List(p.running, meta.ListOptions{})
	if err != nil {
		return false
	}
	for _, set := range sets.Items {
		for _, container := range set.Spec.Template.Spec.Containers {
			if strings.Contains(container.Image, "k8s-device-plugin") {
				return true
			}
		}
	}
	return false
}

// Takes the pods of a machine that is gone away, as the pod garbage collector does later.
func (p *plane) evict(node string) {
	at := meta.ListOptions{FieldSelector: fields.OneTermEqualSelector("spec.nodeName", node).String()}
	pods, err := p.client.CoreV1().Pods("").List(p.running, at)
	if err != nil {
		return
	}
	for _, pod := range pods.Items {
		p.remove(&pod)
	}
}

func (p *plane) remove(pod *core.Pod) {
	p.client.CoreV1().Pods(pod.Namespace).Delete(p.running, pod.Name, *meta.NewDeleteOptions(0))
}

func (p *plane) pods() {
	pods, err := p.client.CoreV1().Pods("").List(p.running, meta.ListOptions{})
	if err != nil {
		return
	}
	for _, pod := range pods.Items {
		switch {
		case pod.Spec.NodeName == "":
		case pod.DeletionTimestamp != nil:
			p.remove(&pod)
		case pod.Status.Phase == core.PodPending || pod.Status.Phase == "":
			p.begin(&pod)
		}
	}
}

// Says what has become of a pod that was scheduled.
func (p *plane) begin(pod *core.Pod) {
	status, event := outcome(pod)
	if status.Phase == pod.Status.Phase && len(pod.Status.ContainerStatuses) > 0 {
		return
	}
	pod.Status = status
	if _, err := p.client.CoreV1().Pods(pod.Namespace).UpdateStatus(p.running, pod, meta.UpdateOptions{}); err == nil && event != nil {
		p.client.CoreV1().Events(pod.Namespace).Create(p.running, event, meta.CreateOptions{})
	}
}

func outcome(pod *core.Pod) (core.PodStatus, *core.Event) {
	now := meta.Now()
	condition := func(kind core.PodConditionType, is bool, reason string) core.PodCondition {
		status := core.ConditionFalse
		if is {
			status, reason = core.ConditionTrue, ""
		}
		return core.PodCondition{Type: kind, Status: status, Reason: reason, LastTransitionTime: now}
	}
	all, once := true, pod.Spec.RestartPolicy != core.RestartPolicyAlways
	status := core.PodStatus{Phase: core.PodRunning, PodIP: "10.0.0.9", PodIPs: []core.PodIP{{IP: "10.0.0.9"}}, StartTime: &now}
	var event *core.Event
	failed := false
	for _, container := range pod.Spec.Containers {
		is, reason, message := state(container.Image, once, now)
		started := is.State.Running != nil
		is.Name, is.Image, is.Started = container.Name, container.Image, &started
		status.ContainerStatuses = append(status.ContainerStatuses, is)
		all = all && is.Ready
		if reason != "" {
			event = happened(pod, reason, message, now)
		}
		if is.State.Waiting != nil && strings.HasPrefix(reason, "Fail") {
			status.Phase = core.PodPending
		}
		failed = failed || is.State.Terminated != nil && is.State.Terminated.ExitCode != 0
	}
	reason := "ContainersNotReady"
	switch {
	case failed:
		status.Phase = core.PodFailed
	case once && status.Phase == core.PodRunning && all:
		status.Phase, all, reason = core.PodSucceeded, false, "PodCompleted"
		for at := range status.ContainerStatuses {
			ended := &core.ContainerStateTerminated{Reason: "Completed", StartedAt: now, FinishedAt: now}
			status.ContainerStatuses[at].State, status.ContainerStatuses[at].Ready = core.ContainerState{Terminated: ended}, false
		}
	}
	status.Conditions = []core.PodCondition{
		condition(core.PodScheduled, true, ""), condition(core.PodInitialized, true, ""),
		condition(core.ContainersReady, all, reason), condition(core.PodReady, all, reason),
	}
	return status, event
}

// What becomes of a container by its image's name, and the event that tells of it.
func state(image string, once bool, now meta.Time) (is core.ContainerStatus, reason, message string) {
	running := core.ContainerState{Running: &core.ContainerStateRunning{StartedAt: now}}
	switch {
	case strings.Contains(image, "does-not-exist"):
		waiting := &core.ContainerStateWaiting{
			Reason:  "ImagePullBackOff",
			Message: fmt.Sprintf("Back-off pulling image %q: ErrImagePull: failed to pull and unpack image %q: %s: not found", image, image, image),
		}
		is.State.Waiting = waiting
		return is, "Failed", fmt.Sprintf("Failed to pull image %q: %s: not found", image, image)
	case strings.Contains(image, "exits-with-1"):
		ended := &core.ContainerStateTerminated{ExitCode: 1, Reason: "Error", StartedAt: now, FinishedAt: now}
		if once {
			is.State.Terminated = ended
			return is, "", ""
		}
		is.State.Waiting = &core.ContainerStateWaiting{Reason: "CrashLoopBackOff", Message: "back-off 5m0s restarting failed container"}
		is.LastTerminationState.Terminated, is.RestartCount = ended, 5
		return is, "BackOff", "Back-off restarting failed container"
	case strings.Contains(image, "never-ready"):
		is.State = running
		return is, "Unhealthy", "Readiness probe failed: connection refused"
	}
	is.State, is.Ready = running, true
	return is, "", ""
}

func happened(pod *core.Pod, reason, message string, now meta.Time) *core.Event {
	return &core.Event{
		ObjectMeta: meta.ObjectMeta{GenerateName: pod.Name + ".", Namespace: pod.Namespace},
		InvolvedObject: core.ObjectReference{
			APIVersion: "v1", Kind: "Pod", Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID, FieldPath: "spec.containers",
		},
		Type: core.EventTypeWarning, Reason: reason, Message: message, Count: 1, FirstTimestamp: now, LastTimestamp: now,
		Source: core.EventSource{Component: "kubelet"},
	}
}
