package kube

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

// An APIServer is a real kube-apiserver with an etcd of its own, on loopback: it takes objects as a cluster does, and nothing acts on them. There
// are no controllers, nodes or webhooks. It is for one goroutine.
type APIServer struct {
	dir       string
	processes []process // in order of their start
	client    http.Client
	url       string
	token     string
	kinds     map[string]map[string]resource // by group and version, then kind
}

// resource is how the server names objects of a kind in paths.
type resource struct {
	Name       string `json:"name"`
	Namespaced bool   `json:"namespaced"`
	Kind       string `json:"kind"`
}

// process is a child whose life is tied to stdin: when that closes, on purpose or since this process ended in whatever way, it is killed.
type process struct {
	cmd   *exec.Cmd
	stdin io.Closer
}

// tools are the commands that this module pins, with the version that the API server says it is of.
const (
	etcdTool      = "go.etcd.io/etcd/server/v3"
	apiServerTool = "k8s.io/kubernetes/cmd/kube-apiserver"
	versionFlag   = "-X k8s.io/component-base/version.gitVersion="
)

// StartAPIServer builds etcd and kube-apiserver from the modules that this one requires, which takes minutes the first time, starts them with all that
// they write below dir, and returns when the server is ready. Stop it.
func StartAPIServer(dir string) (s *APIServer, err error) {
	s = &APIServer{dir: dir, kinds: map[string]map[string]resource{}}
	defer func() {
		if err != nil {
			s.Stop()
		}
	}()
	version, err := exec.Command("go", "list", "-m", "-f", "{{.Version}}", "k8s.io/kubernetes").Output()
	if err != nil {
		return nil, err
	}
	etcd, apiserver := filepath.Join(dir, "etcd"), filepath.Join(dir, "kube-apiserver")
	for _, build := range [][]string{
		{"build", "-buildvcs=false", "-o", etcd, etcdTool},
		{"build", "-buildvcs=false", "-ldflags", versionFlag + string(bytes.TrimSpace(version)), "-o", apiserver, apiServerTool},
	} {
		if out, err := exec.Command("go", build...).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("go %v: %w\n%s", build, err, out)
		}
	}
	ports, err := freePorts(3)
	if err != nil {
		return nil, err
	}
	client, peer := "http://"+ports[0], "http://"+ports[1]
	if err := s.start(etcd, "--data-dir", filepath.Join(dir, "data"), "--log-level", "error", "--unsafe-no-fsync",
		"--listen-client-urls", client, "--advertise-client-urls", client,
		"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", "default="+peer); err != nil {
		return nil, err
	}
	if err := s.writeSecrets(); err != nil {
		return nil, err
	}
	_, port, err := net.SplitHostPort(ports[2])
	if err != nil {
		return nil, err
	}
	key := filepath.Join(dir, "key.pem")
	if err := s.start(apiserver, "--etcd-servers", client, "--bind-address", "127.0.0.1", "--secure-port", port,
		"--cert-dir", filepath.Join(dir, "certificates"), "--token-auth-file", filepath.Join(dir, "tokens.csv"), "--authorization-mode", "RBAC",
		"--service-account-issuer", "https://kubernetes.default.svc", "--service-account-key-file", key, "--service-account-signing-key-file", key,
		"--service-cluster-ip-range", "10.96.0.0/16", "--endpoint-reconciler-type", "none", "--disable-admission-plugins", "ServiceAccount"); err != nil {
		return nil, err
	}
	s.url = "https://" + ports[2]
	return s, s.await()
}

// freePorts returns n addresses on loopback that nobody listens on.
func freePorts(n int) ([]string, error) {
	var out []string
	for range n {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close() // together, so that they differ
		out = append(out, l.Addr().String())
	}
	return out, nil
}

func (s *APIServer) start(command string, args ...string) error {
	log, err := os.Create(command + ".log")
	if err != nil {
		return err
	}
	defer log.Close()
	// What it holds is thrown away, so that there is nothing to lose by killing it.
	cmd := exec.Command("sh", append([]string{"-c", `"$0" "$@" & cat; kill -9 $!; wait $!`, command}, args...)...)
	cmd.Stdout, cmd.Stderr = log, log
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	s.processes = append(s.processes, process{cmd, stdin})
	return nil
}

// writeSecrets makes what the server signs tokens of service accounts with, and the token of this client.
func (s *APIServer) writeSecrets() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	token := make([]byte, 16)
	rand.Read(token) // never fails
	s.token = hex.EncodeToString(token)
	return errors.Join(
		os.WriteFile(filepath.Join(s.dir, "key.pem"), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), 0o600),
		os.WriteFile(filepath.Join(s.dir, "tokens.csv"), []byte(s.token+",test,test,system:masters\n"), 0o600))
}

// Stop ends the processes, the API server first, and waits for them.
func (s *APIServer) Stop() {
	for i := len(s.processes) - 1; i >= 0; i-- {
		s.processes[i].stdin.Close()
		_ = s.processes[i].cmd.Wait() // it was killed
	}
	s.processes = nil
}

// patience is how long the server, or a definition, may take to be ready.
const patience = time.Minute

// await returns when the server is ready. Its certificate is its own, which it writes when it starts.
func (s *APIServer) await() error {
	err := until(func() error {
		data, err := os.ReadFile(filepath.Join(s.dir, "certificates", "apiserver.crt"))
		if err != nil {
			return err
		}
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(data) {
			return errors.New("no certificate")
		}
		s.client = http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
		_, err = s.do(http.MethodGet, "/readyz", "", nil)
		return err
	})
	if err != nil {
		log, _ := os.ReadFile(filepath.Join(s.dir, "kube-apiserver.log"))
		return fmt.Errorf("kube-apiserver is not ready: %w\n%s", err, log[max(0, len(log)-4000):])
	}
	return nil
}

// until tries again until there is no error, or patience ends.
func until(try func() error) error {
	for end := time.Now().Add(patience); ; time.Sleep(200 * time.Millisecond) {
		if err := try(); err == nil || time.Now().After(end) {
			return err
		}
	}
}

func (s *APIServer) do(method, path, contentType string, body []byte) ([]byte, error) {
	r, err := http.NewRequest(method, s.url+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+s.token)
	r.Header.Set("Content-Type", contentType)
	response, err := s.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	if response.StatusCode >= http.StatusMultipleChoices {
		var status struct{ Message string }
		_ = json.Unmarshal(data, &status)
		return nil, fmt.Errorf("%s %s: %s: %s", method, path, response.Status, status.Message)
	}
	if warnings := response.Header.Values("Warning"); len(warnings) > 0 && method == http.MethodPatch {
		return data, warned(warnings)
	}
	return data, nil
}

// warned is what the server takes and warns about.
type warned []string

func (w warned) Error() string { return "the server warns: " + strconv.Quote(fmt.Sprint([]string(w))) }

// Apply applies an object in JSON server-side, as strictly as the server can: unknown and duplicate fields are errors. What the server warns about is an
// error too, after the object was taken. It returns the object as the server has it.
func (s *APIServer) Apply(object []byte) ([]byte, error) {
	var meta struct {
		APIVersion, Kind string
		Metadata         struct{ Namespace, Name string }
	}
	if err := json.Unmarshal(object, &meta); err != nil {
		return nil, err
	}
	root := "/apis/" + meta.APIVersion
	if meta.APIVersion == "v1" {
		root = "/api/v1"
	}
	r, err := s.resource(root, meta.Kind)
	if err != nil {
		return nil, err
	}
	path := root
	if r.Namespaced {
		path += "/namespaces/" + meta.Metadata.Namespace
	}
	return s.do(http.MethodPatch, path+"/"+r.Name+"/"+meta.Metadata.Name+"?fieldManager=egress&force=true&fieldValidation=Strict", "application/apply-patch+yaml", object)
}

// resource asks the server for the path of a kind, once it is there.
func (s *APIServer) resource(root, kind string) (r resource, err error) {
	if r, ok := s.kinds[root][kind]; ok {
		return r, nil
	}
	data, err := s.do(http.MethodGet, root, "", nil)
	if err != nil {
		return r, err
	}
	var list struct{ Resources []resource }
	if err := json.Unmarshal(data, &list); err != nil {
		return r, err
	}
	s.kinds[root] = map[string]resource{}
	for _, r := range list.Resources {
		if filepath.Base(r.Name) == r.Name { // no subresource
			s.kinds[root][r.Kind] = r
		}
	}
	r, ok := s.kinds[root][kind]
	if !ok {
		return r, fmt.Errorf("%s has no kind %s", root, kind)
	}
	return r, nil
}

// Define applies a CustomResourceDefinition in JSON, and returns when the server takes its objects.
func (s *APIServer) Define(definition []byte) error {
	if _, err := s.Apply(definition); err != nil && !errors.As(err, &warned{}) {
		return err
	}
	var d struct {
		Metadata struct{ Name string }
	}
	if err := json.Unmarshal(definition, &d); err != nil {
		return err
	}
	return until(func() error {
		data, err := s.do(http.MethodGet, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/"+d.Metadata.Name, "", nil)
		if err != nil {
			return err
		}
		var have struct {
			Status struct {
				Conditions []struct{ Type, Status string }
			}
		}
		if err := json.Unmarshal(data, &have); err != nil {
			return err
		}
		for _, c := range have.Status.Conditions {
			if c.Type == "Established" && c.Status == "True" {
				return nil
			}
		}
		return fmt.Errorf("%s is not established", d.Metadata.Name)
	})
}
