import { assert, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { parse, parseAllDocuments } from "yaml"

const folder = fileURLToPath(new URL("../../../../deploy/", import.meta.url))
const read = (name: string) => readFileSync(join(folder, name), "utf8")

/** A document of any form: what it holds is what a test checks. */
// oxlint-disable-next-line typescript/no-explicit-any -- manifests have no types here
type Document = any

const manifests: ReadonlyArray<Document> = readdirSync(join(folder, "kubernetes"))
  .filter((name) => name.endsWith(".yaml"))
  .flatMap((name) =>
    parseAllDocuments(read(`kubernetes/${name}`)).map((document) => {
      assert.deepStrictEqual(document.errors, [], name)
      return document.toJS()
    })
  )

const ofKind = (kind: string) => manifests.filter((manifest) => manifest.kind === kind)

const workloads = ofKind("Deployment")

const labelsOf = (component: string) => ({
  "app.kubernetes.io/name": "remote-agent",
  "app.kubernetes.io/component": component
})

const versions: Readonly<Record<string, string>> = {
  Deployment: "apps/v1",
  PodDisruptionBudget: "policy/v1",
  Secret: "v1",
  Service: "v1"
}

describe("the manifests for Kubernetes", () => {
  it("have the kinds and versions that Kubernetes knows, and a name each", () => {
    assert.lengthOf(workloads, 2)
    for (const { apiVersion, kind, metadata } of manifests) {
      assert.strictEqual(apiVersion, versions[kind], kind)
      assert.match(metadata.name, /^[a-z][a-z0-9-]*$/)
    }
  })

  it("select the pods that they make, and the secret that there is", () => {
    const secrets = ofKind("Secret").map(({ metadata }) => metadata.name)
    for (const { spec } of workloads) {
      assert.deepStrictEqual(spec.selector.matchLabels, spec.template.metadata.labels)
      const [container] = spec.template.spec.containers
      for (const { secretRef } of container.envFrom) assert.include(secrets, secretRef.name)
      const volumes = spec.template.spec.volumes.map(({ name }: Document) => name)
      for (const { name } of container.volumeMounts) assert.include(volumes, name)
    }
    const [budget] = ofKind("PodDisruptionBudget")
    assert.deepStrictEqual(budget.spec.selector.matchLabels, labelsOf("worker"))
    const [service] = ofKind("Service")
    assert.deepStrictEqual(service.spec.selector, labelsOf("serve"))
  })

  it("run as an ordinary user on a read-only root, with probes and time to drain", () => {
    for (const { spec } of workloads) {
      const { containers, securityContext, terminationGracePeriodSeconds } = spec.template.spec
      assert.isTrue(securityContext.runAsNonRoot)
      assert.isAtLeast(terminationGracePeriodSeconds, 30)
      for (const container of containers) {
        assert.isTrue(container.securityContext.readOnlyRootFilesystem)
        assert.isFalse(container.securityContext.allowPrivilegeEscalation)
        assert.deepStrictEqual(container.securityContext.capabilities.drop, ["ALL"])
        assert.isObject(container.livenessProbe)
        assert.isObject(container.readinessProbe)
        assert.isString(container.resources.limits.memory)
      }
    }
  })
})

describe("the compose file", () => {
  it("has a database, a server and two workers, which can write nothing but temporary files", () => {
    const { services } = parse(read("compose.yaml"), { merge: true })
    assert.deepStrictEqual(Object.keys(services), ["postgres", "serve", "worker"])
    assert.strictEqual(services.worker.deploy.replicas, 2)
    for (const service of [services.serve, services.worker]) {
      assert.isTrue(service.read_only)
      assert.strictEqual(service.depends_on.postgres.condition, "service_healthy")
      assert.include(service.environment.REMOTE_AGENT_STATE, "@postgres:5432/")
    }
    assert.match(services.serve.ports[0], /^127\.0\.0\.1:/)
  })
})

describe("the Dockerfile", () => {
  const lines = read("Dockerfile").split("\n")

  it("has two stages over a base that can be replaced, an ordinary user and a health check", () => {
    assert.deepStrictEqual(
      lines.filter((line) => /^(?:ARG|FROM|USER)/.test(line)),
      ["ARG BASE=node:26-bookworm-slim", "FROM ${BASE} AS build", "FROM ${BASE}", "USER 10001:10001"]
    )
    assert.isTrue(lines.some((line) => line.startsWith("HEALTHCHECK")))
  })

  it("checks the health with a command that knows a fresh file from a missing one", () => {
    const check = /test -n \\"(.*)\\""\]/.exec(read("Dockerfile"))?.[1] ?? ""
    assert.include(check, "find /tmp/healthy -mmin -1")
    const healthy = (file: string) =>
      spawnSync("sh", ["-c", `test -n "${check.replace("/tmp/healthy", file)}"`]).status
    assert.strictEqual(healthy(join(folder, "missing")), 1)
  })
})
