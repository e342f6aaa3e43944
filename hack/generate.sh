#!/usr/bin/env bash
# Makes everything that is generated, in place:
#   api/*/zz_generated.deepcopy.go   from the types
#   config/crd/bases                 from the types and their markers
#   config/rbac/role.yaml            from the markers in controllers
#   charts/airflow-oam               copies of the above, README (hack/chart)
#   docs/api                         reference of the types
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
tools="$(hack/tools/build.sh controller-gen crd-ref-docs)"
controller_gen="$(sed -n 1p <<<"$tools")"
crd_ref_docs="$(sed -n 2p <<<"$tools")"

echo "generate deepcopy and CRDs"
"$controller_gen" object crd paths=./api/... output:crd:artifacts:config=config/crd/bases
echo "generate RBAC"
"$controller_gen" rbac:roleName=airflow-oam paths=./controllers/... output:rbac:artifacts:config=config/rbac
echo "generate the API reference"
mkdir -p docs/api
"$crd_ref_docs" --source-path=api --config=hack/crd-ref-docs.yaml --renderer=markdown \
  --output-mode=single --output-path=docs/api/v1alpha1.md --log-level=ERROR
if [[ -d hack/chart ]]; then
  echo "generate the chart's copies"
  go run ./hack/chart
fi
