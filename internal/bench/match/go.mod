module github.com/egresskit/egress/internal/bench/match

go 1.26.0

require (
	github.com/egresskit/egress v0.0.0
	github.com/gobwas/glob v1.1.0
	github.com/hashicorp/go-immutable-radix/v2 v2.1.0
	github.com/metacubex/mihomo v1.19.15
	github.com/sagernet/sing v0.7.13
	github.com/v2fly/v2ray-core/v5 v5.16.1
	golang.org/x/sys v0.49.0
	istio.io/istio v0.0.0-20260916195427-190ae921b848
)

require (
	github.com/bahlo/generic-list-go v0.2.0 // indirect
	github.com/gaissmai/bart v0.30.0 // indirect
	github.com/gofrs/uuid/v5 v5.3.2 // indirect
	github.com/hashicorp/golang-lru/v2 v2.0.7 // indirect
	github.com/metacubex/randv2 v0.2.0 // indirect
	github.com/metacubex/sing v0.5.6 // indirect
	github.com/openacid/low v0.1.21 // indirect
	github.com/samber/lo v1.51.0 // indirect
	github.com/sirupsen/logrus v1.9.4 // indirect
	golang.org/x/exp v0.0.0-20260218203240-3dfff04db8fa // indirect
	golang.org/x/net v0.62.0 // indirect
	golang.org/x/text v0.43.0 // indirect
)

replace github.com/egresskit/egress => ../../..
