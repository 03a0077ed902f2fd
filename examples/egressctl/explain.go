package main

import (
	"encoding/json"
	"flag"
	"fmt"
)

func explainCommand(args []string, std stdio) (int, error) {
	var f requestFlags
	fs := flag.NewFlagSet("explain", flag.ContinueOnError)
	files, err := f.parse(fs, args)
	if err != nil {
		return exitBad, err
	}
	req, engine, err := f.ask(files, std)
	if err != nil {
		return exitBad, err
	}
	x := engine.Explain(req)
	if f.output == "json" {
		e := json.NewEncoder(std.out)
		e.SetIndent("", "  ")
		err = e.Encode(x)
	} else {
		_, err = fmt.Fprint(std.out, x) // several lines, each with its end
	}
	return status(x.Decision), err
}
