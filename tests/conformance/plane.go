package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	rbac "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// One cluster's control plane.
type plane struct {
	folder, uid, etcd, users string
	endpoint                 string
	// The certificate authority, in PEM.
	authority []byte
	admin     string
	parts     []*exec.Cmd
	// Closed when kube-apiserver ends.
	ended   chan struct{}
	client  *kubernetes.Clientset
	end     context.CancelFunc
	running context.Context
	stopped sync.Once
}

// EKS's access policies by the roles that they are like.
var accessPolicies = map[string]string{
	"AmazonEKSClusterAdminPolicy": "cluster-admin",
	"AmazonEKSAdminPolicy":        "admin",
	"AmazonEKSEditPolicy":         "edit",
	"AmazonEKSViewPolicy":         "view",
}

func newPlane(folder, uid, etcd, users string) (*plane, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	p := &plane{folder: folder, uid: uid, etcd: etcd, users: users, admin: random(), ended: make(chan struct{})}
	p.running, p.end = context.WithCancel(context.Background())
	var err error
	p.authority, err = certificates(folder)
	return p, err
}

func (p *plane) file(name string) string { return filepath.Join(p.folder, name) }

func (p *plane) write(name, text string) error {
	return os.WriteFile(p.file(name), []byte(text), 0o600)
}

func (p *plane) start() error {
	port, err := freePort()
	if err != nil {
		return err
	}
	p.endpoint = fmt.Sprintf("https://127.0.0.1:%d", port)
	if err := p.files(); err != nil {
		return err
	}
	if err := p.run("kube-apiserver",
		"--bind-address=127.0.0.1", fmt.Sprintf("--secure-port=%d", port),
		"--advertise-address=192.0.2.1", "--endpoint-reconciler-type=none",
		"--etcd-servers=http://"+p.etcd, "--etcd-prefix=/"+p.uid,
		"--tls-cert-file="+p.file("serving.pem"), "--tls-private-key-file="+p.file("serving.key"),
		"--service-cluster-ip-range=10.100.0.0/16",
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-signing-key-file="+p.file("accounts.key"), "--service-account-key-file="+p.file("accounts.key"),
		"--token-auth-file="+p.file("tokens.csv"),
		"--authentication-token-webhook-config-file="+p.file("webhook.yaml"), "--authentication-token-webhook-version=v1",
		"--authentication-token-webhook-cache-ttl=0s",
		"--authorization-mode=RBAC", "--allow-privileged=true",
		// Nodes are ready when they are made: there is no kubelet that would say so.
		"--disable-admission-plugins=TaintNodesByCondition",
	); err != nil {
		return err
	}
	config := &rest.Config{
		Host: p.endpoint, BearerToken: p.admin, QPS: 200, Burst: 400,
		TLSClientConfig: rest.TLSClientConfig{CAData: p.authority},
	}
	if p.client, err = kubernetes.NewForConfig(config); err != nil {
		return err
	}
	if err := p.ready(); err != nil {
		return err
	}
	common := []string{"--kubeconfig=" + p.file("admin.yaml"), "--leader-elect=false", "--secure-port=0", "--kube-api-qps=200", "--kube-api-burst=400"}
	controllers := append([]string{
		"--service-account-private-key-file=" + p.file("accounts.key"), "--root-ca-file=" + p.file("ca.pem"),
		"--controllers=*,-node-lifecycle-controller",
	}, common...)
	if err := p.run("kube-controller-manager", controllers...); err != nil {
		return err
	}
	if err := p.run("kube-scheduler", common...); err != nil {
		return err
	}
	if err := p.bind(); err != nil {
		return err
	}
	go p.kubelet()
	return p.waitForDefaultAccount()
}

// What the components read.
func (p *plane) files() error {
	kubeconfig := func(server, more, user string) string {
		return fmt.Sprintf(`apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: %q%s}}]
users: [{name: u, user: %s}]
contexts: [{name: c, context: {cluster: c, user: u}}]
current-context: c
`, server, more, user)
	}
	authority := fmt.Sprintf(", certificate-authority: %q", p.file("ca.pem"))
	admin := fmt.Sprintf("{token: %q}", p.admin)
	for name, text := range map[string]string{
		"admin.yaml":   kubeconfig(p.endpoint, authority, admin),
		"webhook.yaml": kubeconfig(p.users+"/token-review", "", "{}"),
		"tokens.csv":   fmt.Sprintf("%s,admin,admin,\"system:masters\"\n", p.admin),
	} {
		if err := p.write(name, text); err != nil {
			return err
		}
	}
	return nil
}

// Starts a component: this program again, by another name.
func (p *plane) run(part string, args ...string) error {
	log, err := os.Create(p.file(part + ".log"))
	if err != nil {
		return err
	}
	defer log.Close()
	program, err := os.Executable()
	if err != nil {
		return err
	}
	command := exec.Command(program, append([]string{part}, args...)...)
	command.Stdout, command.Stderr = log, log
	// It ends with this process, however this one ends.
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := command.Start(); err != nil {
		return err
	}
	p.parts = append(p.parts, command)
	if part == "kube-apiserver" {
		go func() {
			command.Wait()
			close(p.ended)
		}()
	}
	return nil
}

func (p *plane) ready() error {
	return p.wait("kube-apiserver is not ready", func() bool {
		status := 0
		p.client.RESTClient().Get().AbsPath("/readyz").Do(p.running).StatusCode(&status)
		return status == http.StatusOK
	})
}

// The groups that the authority puts users in by their access policies.
func (p *plane) bind() error {
	for policy, role := range accessPolicies {
		group := "eks-access-policy:" + policy
		binding := &rbac.ClusterRoleBinding{
			ObjectMeta: meta.ObjectMeta{Name: group},
			RoleRef:    rbac.RoleRef{APIGroup: rbac.GroupName, Kind: "ClusterRole", Name: role},
			Subjects:   []rbac.Subject{{APIGroup: rbac.GroupName, Kind: rbac.GroupKind, Name: group}},
		}
		_, err := p.client.RbacV1().ClusterRoleBindings().Create(p.running, binding, meta.CreateOptions{})
		if err != nil && !apierrors.IsAlreadyExists(err) {
			return err
		}
	}
	return nil
}

// Before the controllers have made it, pods are refused.
func (p *plane) waitForDefaultAccount() error {
	return p.wait("there is no default service account", func() bool {
		_, err := p.client.CoreV1().ServiceAccounts("default").Get(p.running, "default", meta.GetOptions{})
		return err == nil
	})
}

func (p *plane) wait(otherwise string, done func() bool) error {
	for until := time.Now().Add(2 * time.Minute); time.Now().Before(until); time.Sleep(50 * time.Millisecond) {
		if done() {
			return nil
		}
		select {
		case <-p.ended:
			until = time.Time{}
		default:
		}
	}
	log, _ := os.ReadFile(p.file("kube-apiserver.log"))
	lines := strings.Split(strings.TrimSpace(string(log)), "\n")
	return fmt.Errorf("%s: %s", otherwise, strings.Join(lines[max(0, len(lines)-5):], "\n"))
}

func (p *plane) stop() {
	p.stopped.Do(func() {
		p.end()
		for _, part := range p.parts {
			part.Process.Kill()
			part.Wait()
		}
		os.RemoveAll(p.folder)
	})
}
