package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"strconv"

	"github.com/egresskit/egress/policy"
)

// requestFlags are the flags that make one request.
type requestFlags struct {
	request
	portGiven bool
	output    string
}

func (f *requestFlags) register(fs *flag.FlagSet) {
	f.Source.Labels, f.Source.NamespaceLabels = map[string]string{}, map[string]string{}
	fs.StringVar(&f.Source.Cluster, "cluster", "", "cluster of the source")
	fs.StringVar(&f.Source.TrustDomain, "trust-domain", "", "trust domain of the source")
	fs.StringVar(&f.Source.Namespace, "namespace", "", "namespace of the source")
	fs.StringVar(&f.Source.ServiceAccount, "service-account", "", "service account of the source")
	fs.Var(labelFlag(f.Source.Labels), "labels", "labels of the pod")
	fs.Var(labelFlag(f.Source.NamespaceLabels), "namespace-labels", "labels of the namespace")
	fs.StringVar(&f.Protocol, "protocol", "TLS", "TLS, HTTP, TCP, UDP or SCTP")
	fs.StringVar(&f.Host, "host", "", "host: the SNI or Host header")
	fs.Func("port", "port; 443 for TLS and 80 for HTTP where it is left out", func(s string) (err error) {
		f.portGiven = true
		if f.Port, err = strconv.Atoi(s); err != nil {
			return errors.New("write a number from 1 to 65535")
		}
		return nil
	})
	fs.StringVar(&f.Address, "address", "", "IP address")
	fs.StringVar(&f.Method, "method", "", "method of an HTTP request")
	fs.StringVar(&f.Path, "path", "", "path of an HTTP request")
	fs.StringVar(&f.output, "o", "text", "text or json")
}

// answer is the answer to one request.
type answer struct {
	Allowed *bool         `json:"allowed,omitempty"`
	Rule    policy.RuleID `json:"rule,omitempty"`
	Error   string        `json:"error,omitempty"`
}

func answerOf(d policy.Decision) answer { return answer{Allowed: &d.Allowed, Rule: d.Rule} }

// parse reads the arguments of a verb and returns the files.
func (f *requestFlags) parse(fs *flag.FlagSet, args []string) (files []string, err error) {
	f.register(fs)
	if files, err = parse(fs, args); err != nil {
		return nil, err
	}
	return files, output(f.output, "text", "json")
}

// ask returns the request of the flags and the engine to ask.
func (f *requestFlags) ask(files []string, std stdio) (policy.Request, *policy.Engine, error) {
	if f.Source.Namespace == "" {
		return policy.Request{}, nil, errors.New("--namespace: name the namespace of the source")
	}
	if !f.portGiven {
		f.Port = map[string]int{"TLS": 443, "HTTP": 80}[f.Protocol] // as in documents
		if _, err := policy.ParseProtocol(f.Protocol); err == nil && f.Port == 0 {
			return policy.Request{}, nil, fmt.Errorf("--port: %s has no default port; name one", f.Protocol)
		}
	}
	req, err := f.request.parse()
	if err != nil {
		return policy.Request{}, nil, err
	}
	engine, err := (&inputs{stdin: std.in}).compile(files)
	return req, engine, err
}

func decideCommand(args []string, std stdio) (int, error) {
	var f requestFlags
	fs := flag.NewFlagSet("decide", flag.ContinueOnError)
	requests := fs.String("requests", "", "file with one request a line")
	files, err := f.parse(fs, args)
	if err != nil {
		return exitBad, err
	}
	if *requests != "" {
		return decideAll(*requests, files, std)
	}
	req, engine, err := f.ask(files, std)
	if err != nil {
		return exitBad, err
	}
	d := engine.Decide(req)
	if f.output == "json" {
		err = writeAnswer(std.out, answerOf(d))
	} else {
		_, err = fmt.Fprintln(std.out, d)
	}
	return status(d), err
}

func status(d policy.Decision) int {
	if d.Allowed {
		return exitDone
	}
	return exitDenied
}

func writeAnswer(w io.Writer, a answer) error { return json.NewEncoder(w).Encode(a) }

// decideAll answers a requests file, one line of JSON for each of its lines, in order.
func decideAll(name string, files []string, std stdio) (int, error) {
	in := inputs{stdin: std.in}
	requests, err := in.open(name)
	if err != nil {
		return exitBad, err
	}
	defer requests.Close()
	engine, err := in.compile(files)
	if err != nil {
		return exitBad, err
	}
	out := bufio.NewWriter(std.out)
	if err := answerLines(engine, requests, out); err != nil {
		return exitBad, errors.Join(err, out.Flush())
	}
	return exitDone, out.Flush()
}

// maxLine bounds a line of a requests file. A longer line is answered with an error, and the next one is read.
const maxLine = 1 << 20

func answerLines(engine *policy.Engine, in io.Reader, out io.Writer) error {
	r := bufio.NewReaderSize(in, maxLine)
	for {
		line, tooLong, err := readLine(r)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := writeAnswer(out, answerLine(engine, line, tooLong)); err != nil {
			return err
		}
	}
}

func answerLine(engine *policy.Engine, line []byte, tooLong bool) answer {
	if tooLong {
		return answer{Error: fmt.Sprintf("line longer than %d bytes", maxLine)}
	}
	req, err := parseRequest(line)
	if err != nil {
		return answer{Error: err.Error()}
	}
	return answerOf(engine.Decide(req))
}

// readLine returns the next line without its end, or that it is longer than the reader's buffer; then the rest of it is skipped. The
// error is io.EOF after the last line.
func readLine(r *bufio.Reader) (line []byte, tooLong bool, err error) {
	line, err = r.ReadSlice('\n')
	for errors.Is(err, bufio.ErrBufferFull) {
		tooLong = true
		_, err = r.ReadSlice('\n')
	}
	if errors.Is(err, io.EOF) && (len(line) > 0 || tooLong) {
		err = nil // the last line has no end
	}
	return bytes.TrimRight(line, "\r\n"), tooLong, err
}
