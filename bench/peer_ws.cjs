// Run by `bench.push` in the peer's own folder: `ws` as its documentation shows it, without compression.
// `node peer_ws.cjs SOCKET`; a line `{"to": N or null, "text": …}` on stdin is sent to one or to all, and
// answered on stdout with the clock's ns before. `ready` first, and `N KB` to the line `memory`.
const { createServer } = require('node:http')
const { createInterface } = require('node:readline')
const { WebSocketServer } = require(require.resolve('ws', { paths: [process.cwd()] }))

const server = createServer()
const sockets = []
const wss = new WebSocketServer({ server, perMessageDeflate: false })
wss.on('connection', (socket) => sockets.push(socket))
createInterface({ input: process.stdin }).on('line', (line) => {
  if (line === 'memory') {
    global.gc()
    console.log(String(process.memoryUsage().rss / 1024))
    return
  }
  const { to, text } = JSON.parse(line)
  const begin = process.hrtime.bigint()
  for (const socket of to === null ? sockets : [sockets[to]]) socket.send(text)
  console.log(String(begin))
})
server.listen(process.argv[2], () => console.log('ready'))
