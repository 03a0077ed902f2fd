package imports

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

const module = "github.com/egresskit/egress"

// A file is a Go file of the module, without its directory's nested modules.
type file struct {
	name    string // from the top of the repository, with slashes
	imports []string
	init    bool // has a func init
}

// pkg returns the directory of the file, which names its package in the module.
func (f file) pkg() string { return path.Dir(f.name) }

func (f file) test() bool { return strings.HasSuffix(f.name, "_test.go") }

// read returns the Go files below root that are of the module there, in order of name.
func read(root string) ([]file, error) {
	var files []file
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil || p == root {
			return err
		}
		switch name := d.Name(); {
		case d.IsDir():
			if _, err := os.Stat(filepath.Join(p, "go.mod")); err == nil || name == "testdata" || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") {
				return filepath.SkipDir
			}
		case strings.HasSuffix(name, ".go"):
			f, err := readFile(root, p)
			if err != nil {
				return err
			}
			files = append(files, f)
		}
		return nil
	})
	return files, err
}

func readFile(root, p string) (file, error) {
	name, err := filepath.Rel(root, p)
	if err != nil {
		return file{}, err
	}
	f := file{name: filepath.ToSlash(name)}
	tree, err := parser.ParseFile(token.NewFileSet(), p, nil, parser.SkipObjectResolution)
	if err != nil {
		return file{}, err
	}
	for _, spec := range tree.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return file{}, err
		}
		f.imports = append(f.imports, imported)
	}
	for _, decl := range tree.Decls {
		if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
			f.init = true
		}
	}
	return f, nil
}

// check returns what breaks a rule, in order of files.
func check(files []file) []string {
	var broken []string
	for _, f := range files {
		if f.test() {
			continue
		}
		if f.init {
			broken = append(broken, fmt.Sprintf("%s has a func init: %s", f.name, whyNoInit))
		}
		l, ok := layerOf(f.pkg())
		if !ok {
			broken = append(broken, fmt.Sprintf("%s: package %s has no layer; say in internal/imports what it may import, and why", f.name, f.pkg()))
			continue
		}
		for _, imported := range f.imports {
			if !l.allows(f.pkg(), imported) {
				broken = append(broken, fmt.Sprintf("%s imports %s: %s", f.name, imported, l.why))
			}
			for _, b := range bans {
				if under(imported, b.imports) && under(f.pkg(), b.in) && !under(f.pkg(), b.except) {
					broken = append(broken, fmt.Sprintf("%s imports %s: %s", f.name, imported, b.why))
				}
			}
		}
	}
	return broken
}

// layerOf returns the layer of a package: its own, or the closest that holds all below a path.
func layerOf(pkg string) (layer, bool) {
	var best layer
	for _, l := range layers {
		if l.packages == pkg {
			return l, true
		}
		if under(pkg, []string{l.packages}) && len(l.packages) > len(best.packages) {
			best = l
		}
	}
	return best, best.packages != ""
}

func (l layer) allows(pkg, imported string) bool {
	own, isOwn := strings.CutPrefix(imported, module+"/")
	if isOwn {
		return under(own, l.own) || strings.HasPrefix(own, pkg+"/internal/")
	}
	first, _, _ := strings.Cut(imported, "/")
	standard := !strings.Contains(first, ".")
	return standard || under(imported, l.others)
}

// checkTop returns the names that do not belong at the top of the repository.
func checkTop(names []string) []string {
	var broken []string
	for _, name := range names {
		if !strings.HasPrefix(name, ".") && !slices.Contains(topLevel, name) &&
			!slices.ContainsFunc(untracked, func(u string) bool { return name == u || strings.HasPrefix(u, ".") && strings.HasSuffix(name, u) }) {
			broken = append(broken, fmt.Sprintf("%s: %s", name, whyTopLevel))
		}
	}
	return broken
}

// under reports whether a path is one of the patterns, or below one that ends in /....
func under(p string, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		top, all := strings.CutSuffix(pattern, "/...")
		return p == top || all && strings.HasPrefix(p, top+"/")
	})
}
