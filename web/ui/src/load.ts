/** Reading with its states: first time, again in the background, failed. */
import { useCallback, useEffect, useRef, useState } from 'preact/hooks'

export interface Loading<Value> {
  value: Value | null
  error: unknown
  busy: boolean
  reload: () => void
}

const SOON_MS = 120
const GAP_MS = 1500

/**
 * Read when `key` changes, and again, keeping what is shown, when `revision` does. A burst of revisions
 * makes a reading at its start and then one every 1.5 s at most; `read` gets what is shown.
 */
export function useLoad<Value>(
  read: (signal: AbortSignal, shown: Value | null) => Promise<Value>,
  key: string,
  revision: number | string = 0,
): Loading<Value> {
  const [shown, setShown] = useState<Shown<Value>>({ key, value: null, error: null, busy: true })
  const reader = useRef<Reader<Value> | null>(null)
  const readNow = useRef(read)
  readNow.current = read

  useEffect(() => {
    const made = new Reader<Value>((signal, old) => readNow.current(signal, old), key, setShown)
    reader.current = made
    made.now()
    return () => made.stop()
  }, [key])
  const first = useRef(revision)
  useEffect(() => {
    if (first.current !== revision) reader.current?.soon()
    first.current = revision
  }, [revision])

  const reload = useCallback(() => reader.current?.now(), [])
  if (shown.key !== key) return { value: null, error: null, busy: true, reload }
  return { value: shown.value, error: shown.error, busy: shown.busy, reload }
}

interface Shown<Value> {
  key: string
  value: Value | null
  error: unknown
  busy: boolean
}

class Reader<Value> {
  private readonly abort = new AbortController()
  private timer: ReturnType<typeof setTimeout> | null = null
  private running = false
  private wanted: 'no' | 'soon' | 'now' = 'no'
  private lastEnd = 0
  private state: Shown<Value>

  constructor(
    private readonly read: (signal: AbortSignal, shown: Value | null) => Promise<Value>,
    key: string,
    private readonly show: (state: Shown<Value>) => void,
  ) {
    this.state = { key, value: null, error: null, busy: true }
  }

  now(): void {
    if (this.timer !== null) clearTimeout(this.timer)
    this.timer = null
    if (this.running) this.wanted = 'now'
    else void this.run()
  }

  soon(): void {
    if (this.running) this.wanted = this.wanted === 'now' ? 'now' : 'soon'
    else this.timer ??= setTimeout(() => this.now(), Math.max(SOON_MS, this.lastEnd + GAP_MS - performance.now()))
  }

  stop(): void {
    this.abort.abort()
    if (this.timer !== null) clearTimeout(this.timer)
  }

  private async run(): Promise<void> {
    this.running = true
    this.put({ busy: true })
    try {
      const value = await this.read(this.abort.signal, this.state.value)
      this.put({ value, error: null, busy: false })
    } catch (error) {
      this.put({ error, busy: false })
    }
    this.running = false
    this.lastEnd = performance.now()
    const next = this.abort.signal.aborted ? 'no' : this.wanted
    this.wanted = 'no'
    if (next === 'now') this.now() // a person did something and waits to see it
    else if (next === 'soon') this.soon()
  }

  private put(part: Partial<Shown<Value>>): void {
    this.state = { ...this.state, ...part }
    if (!this.abort.signal.aborted) this.show(this.state)
  }
}
