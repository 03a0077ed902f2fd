package main

import (
	"encoding/json"
	"flag"
	"fmt"
)

func explainCommand(args []string, std stdio) (int, error) {
	var f requestFlags
	fs := flag.NewFlagSet("explain", flag.ContinueOnError)
	f.register(fs)
	files, err := parse(fs, args)
	if err != nil {
		return exitBad, err
	}
	if err := output(f.output, "text", "json"); err != nil {
		return exitBad, err
	}
	req, err := f.parse()
	if err != nil {
		return exitBad, err
	}
	engine, err := (&inputs{stdin: std.in}).compile(files)
	if err != nil {
		return exitBad, err
	}
	x := engine.Explain(req)
	if f.output == "json" {
		e := json.NewEncoder(std.out)
		e.SetIndent("", "  ")
		err = e.Encode(x)
	} else {
		_, err = fmt.Fprintln(std.out, x)
	}
	return status(x.Decision), err
}
