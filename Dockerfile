# Build: docker build --build-arg VERSION=v0.1.0 --tag airflow-oam:v0.1.0 .
ARG GO_VERSION=1.26.8
ARG DEBIAN_VERSION=13

FROM --platform=${BUILDPLATFORM} golang:${GO_VERSION} AS build
ARG TARGETOS TARGETARCH
ARG VERSION=unknown
WORKDIR /src
# Modules first: they change less often than the sources.
COPY go.mod go.sum ./
RUN go mod download
COPY main.go ./
COPY api ./api
COPY config/admission ./config/admission
COPY controllers ./controllers
COPY internal ./internal
RUN CGO_ENABLED=0 GOOS=${TARGETOS} GOARCH=${TARGETARCH} \
    go build -trimpath -ldflags "-s -w -X main.release=${VERSION}" -o /airflow-oam .

FROM gcr.io/distroless/static-debian${DEBIAN_VERSION}:nonroot
COPY LICENSE /LICENSE
COPY --from=build /airflow-oam /airflow-oam
USER 65532:65532
ENTRYPOINT ["/airflow-oam"]
