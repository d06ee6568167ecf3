import { Effect } from "effect"
import * as Http from "node:http"
import { type AddressInfo, connect, type Server, type Socket } from "node:net"
import { createServer } from "node:tls"

/** A certificate for `github.test` and `localhost` that nobody has signed but itself. It is good for tests alone. */
export const certificate = `-----BEGIN CERTIFICATE-----
MIIBvTCCAWSgAwIBAgIUILUjmuOOPThQ8sP+P39CuFTLkC4wCgYIKoZIzj0EAwIw
FjEUMBIGA1UEAwwLZ2l0aHViLnRlc3QwIBcNMjYxMTMwMTUwNDA3WhgPMjEyNjEx
MDYxNTA0MDdaMBYxFDASBgNVBAMMC2dpdGh1Yi50ZXN0MFkwEwYHKoZIzj0CAQYI
KoZIzj0DAQcDQgAE7yhKBILiPABqL4Lv9Xt9oY0hpJtX2kDVUCAbxYLiP/hYlw76
pKfkc3Cwv86rENxCw4Hs8tbHD+OuYHbZt6ELjqOBjTCBijAdBgNVHQ4EFgQUXX9V
PkbSphHX+drRJLIx9HEmZDswHwYDVR0jBBgwFoAUXX9VPkbSphHX+drRJLIx9HEm
ZDswDwYDVR0TAQH/BAUwAwEB/zAnBgNVHREEIDAeggtnaXRodWIudGVzdIIJbG9j
YWxob3N0hwR/AAABMA4GA1UdDwEB/wQEAwIChDAKBggqhkjOPQQDAgNHADBEAiBD
nCS2ebbbLJgBUMJL0YB4ukM0JB00EXaZYqVB+QsyiQIgNnFR4YQasPwsnk236EyZ
x8v/hlCJoibCFHYF0Iw09mY=
-----END CERTIFICATE-----
`

const key = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgCY1fTjaGmkOrzK8+
HsxIFoDYFKxV8FgDDmaPVAMO+4ahRANCAATvKEoEguI8AGovgu/1e32hjSGkm1fa
QNVQIBvFguI/+FiXDvqkp+RzcLC/zqsQ3ELDgezy1scP465gdtm3oQuO
-----END PRIVATE KEY-----
`

const listening = (server: Server | Http.Server) => {
  const sockets = new Set<Socket>()
  server.on("connection", (socket: Socket) => {
    sockets.add(socket)
    socket.on("error", () => {})
    socket.on("close", () => sockets.delete(socket))
  })
  return Effect.acquireRelease(
    Effect.callback<number>((resume) => {
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed((server.address() as AddressInfo).port)))
    }),
    () =>
      Effect.callback<void>((resume) => {
        server.close(() => resume(Effect.void))
        for (const socket of sockets) socket.destroy()
      })
  )
}

const join = (a: Socket, b: Socket) => {
  for (const [from, to] of [
    [a, b],
    [b, a]
  ] as const) {
    from.on("error", () => to.destroy())
    from.on("close", () => to.destroy())
    from.pipe(to)
  }
}

/** Serves a server of plain HTTP on this machine over TLS, and gives the port. */
export const overTls = (url: string) =>
  listening(
    createServer({ cert: certificate, key }, (socket) =>
      join(socket, connect(Number(new URL(url).port), "127.0.0.1"))
    )
  )

/** A proxy that takes CONNECT with a password and leads every host to this machine. `asked` is what it was asked for. */
export const connectProxy = Effect.gen(function* () {
  const asked: Array<string> = []
  const authorization = `Basic ${Buffer.from("user:p@ss").toString("base64")}`
  const server = Http.createServer((_, response) => response.writeHead(405).end())
  server.on("connect", (request: Http.IncomingMessage, socket: Socket) => {
    if (request.headers["proxy-authorization"] !== authorization) {
      socket.end(
        'HTTP/1.1 407 Proxy Authentication Required\r\nproxy-authenticate: Basic realm="proxy"\r\nconnection: close\r\ncontent-length: 0\r\n\r\n'
      )
      return
    }
    asked.push(request.url ?? "")
    const target = connect(Number((request.url ?? "").split(":").at(-1)), "127.0.0.1", () => {
      socket.write("HTTP/1.1 200 Connection established\r\n\r\n")
      join(socket, target)
    })
  })
  const port = yield* listening(server)
  return { url: `http://user:p%40ss@127.0.0.1:${port}`, host: `127.0.0.1:${port}`, asked }
})
