/** The push socket: ticket → hello → welcome → events in order; reconnects until stopped. */
import type { LiveEvent, Welcome } from './types'

export type SocketState = 'connecting' | 'open' | 'lost'

export interface SocketParts {
  ticket: () => Promise<{ ticket: string; url: string }>
  lastSeq: () => number | null
  onMessage: (message: Welcome | LiveEvent) => void
  onState: (state: SocketState) => void
  /** Tell whether a failed ticket is final (signed out): then nothing is tried again. */
  isFinal: (error: unknown) => boolean
  makeSocket?: (url: string) => WebSocket
  random?: () => number
}

const FIRST_DELAY_MS = 400
const MAX_DELAY_MS = 15_000
const WELCOME_LIMIT_MS = 10_000

/** Delay before try `attempt` (from 0): doubling, capped, and half of it random, so that a thousand screens do not return at once. */
export function delayMs(attempt: number, random: number): number {
  const full = Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** attempt)
  return full / 2 + (full / 2) * random
}

/** Make the address a page may open: relative ones resolved, http → ws, and wss on a page that came by https. */
export function socketUrl(url: string, page: string): string {
  const resolved = new URL(url, page)
  const safe = resolved.protocol === 'wss:' || resolved.protocol === 'https:' || page.startsWith('https:')
  resolved.protocol = safe ? 'wss:' : 'ws:'
  return resolved.href
}

export class LiveSocket {
  private socket: WebSocket | null = null
  private timer: ReturnType<typeof setTimeout> | null = null
  private welcomeTimer: ReturnType<typeof setTimeout> | null = null
  private attempt = 0
  private stopped = true
  private welcomed = false
  private run = 0
  private readonly waitingAcks = new Set<string>()

  constructor(private readonly parts: SocketParts) {}

  start(): void {
    if (!this.stopped) return
    this.stopped = false
    this.parts.onState('connecting')
    void this.open()
  }

  stop(): void {
    this.stopped = true
    this.clearTimers()
    this.run += 1
    this.socket?.close()
    this.socket = null
    this.waitingAcks.clear()
  }

  /** Tell the server that a person saw the pop; kept until the socket is there again. */
  ack(popId: string): void {
    this.waitingAcks.add(popId)
    this.sendAcks()
  }

  /** The network is back or the tab is looked at: do not sit out the delay. */
  wake(): void {
    if (this.stopped || this.timer === null) return
    this.clearTimers()
    void this.open()
  }

  /** The server can't be reached otherwise: a socket that still looks open may be half-dead. */
  suspect(): void {
    if (this.welcomed) this.lost()
  }

  private async open(): Promise<void> {
    const run = ++this.run
    try {
      const { ticket, url } = await this.parts.ticket()
      if (run === this.run && !this.stopped) this.connect(ticket, socketUrl(url, location.href))
    } catch (error) {
      if (run !== this.run || this.stopped) return
      if (this.parts.isFinal(error)) this.stop()
      else this.lost()
    }
  }

  private connect(ticket: string, url: string): void {
    const socket = (this.parts.makeSocket ?? ((address) => new WebSocket(address)))(url)
    this.socket = socket
    this.welcomeTimer = setTimeout(() => this.lost(), WELCOME_LIMIT_MS)
    socket.onopen = () => {
      socket.send(JSON.stringify({ type: 'hello', ticket, last_seq: this.parts.lastSeq() }))
    }
    socket.onmessage = (frame: MessageEvent) => {
      if (socket === this.socket) this.receive(String(frame.data))
    }
    socket.onclose = () => {
      if (socket === this.socket) this.lost()
    }
  }

  private receive(text: string): void {
    const message = JSON.parse(text) as Welcome | LiveEvent
    if (message.type === 'welcome') {
      this.clearTimers()
      this.attempt = 0
      this.welcomed = true
      this.parts.onState('open')
      this.sendAcks()
    }
    if (message.type === 'welcome' || typeof (message as LiveEvent).seq === 'number') this.parts.onMessage(message)
  }

  private sendAcks(): void {
    if (!this.welcomed || this.socket?.readyState !== WebSocket.OPEN) return
    for (const id of this.waitingAcks) {
      this.socket.send(JSON.stringify({ type: 'ack', pop_id: id }))
    }
    this.waitingAcks.clear()
  }

  private lost(): void {
    this.clearTimers()
    const socket = this.socket
    this.socket = null
    this.welcomed = false
    this.run += 1
    socket?.close()
    if (this.stopped) return
    this.parts.onState('lost')
    const random = (this.parts.random ?? Math.random)()
    this.timer = setTimeout(() => {
      this.timer = null
      void this.open()
    }, delayMs(this.attempt++, random))
  }

  private clearTimers(): void {
    if (this.timer !== null) clearTimeout(this.timer)
    if (this.welcomeTimer !== null) clearTimeout(this.welcomeTimer)
    this.timer = null
    this.welcomeTimer = null
  }
}
