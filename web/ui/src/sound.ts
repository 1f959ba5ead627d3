/** One sound per pop, whatever the number of tabs; none for a new round; an off switch kept per browser. */
import { signal } from '@preact/signals'
import { onOtherTab, recall, remember } from './prefs'

export const soundOn = signal(recall('sound') !== 'off')
/** True when the browser refuses sound until somebody clicks on the page. */
export const soundBlocked = signal(false)

const KEPT = 100
const SETTLE_MS = 80
const RESUME_LIMIT_MS = 300
const me = Math.random().toString(36).slice(2)
let context: AudioContext | null = null

onOtherTab('sound', (value) => {
  soundOn.value = value !== 'off'
})

export function switchSound(on: boolean): void {
  soundOn.value = on
  remember('sound', on ? 'on' : 'off')
  if (on) void unblock()
}

/** Ask the browser for sound; call it from a click, otherwise it may refuse. */
export async function unblock(): Promise<boolean> {
  context ??= new AudioContext()
  if (context.state !== 'running') await Promise.race([context.resume(), pause(RESUME_LIMIT_MS)])
  soundBlocked.value = (context.state as string) !== 'running'
  return !soundBlocked.value
}

/** Play once for this pop in this browser. A tab that can't play leaves the claim to another. */
export async function ring(pop: string): Promise<void> {
  if (!soundOn.value || claimed(pop)) return
  if (await unblock()) await once(pop, play)
}

/**
 * Web Locks decide between tabs where the page is secure (https or localhost). On plain http they are
 * absent: then the last tab to write its name into storage plays, once all had the time to write.
 */
async function once(pop: string, play: () => void): Promise<void> {
  if (!('locks' in navigator)) {
    claim(pop)
    await pause(SETTLE_MS)
    if (claims()[pop] === me) play()
    return
  }
  await navigator.locks.request(`press3-sound-${pop}`, { ifAvailable: true }, async (lock) => {
    if (!lock || claimed(pop)) return
    claim(pop)
    play()
    await pause(2000) // Storage reaches other tabs late; the lock covers that time.
  })
}

function claims(): Record<string, string> {
  try {
    return JSON.parse(recall('sounded') ?? '{}') as Record<string, string>
  } catch {
    return {}
  }
}

function claimed(pop: string): boolean {
  return pop in claims()
}

function claim(pop: string): void {
  const kept = Object.entries(claims()).slice(1 - KEPT)
  remember('sounded', JSON.stringify({ ...Object.fromEntries(kept), [pop]: me }))
}

/** Two short notes: heard over talk, no alarm. */
function play(): void {
  if (!context) return
  const start = context.currentTime
  for (const [index, frequency] of [660, 880].entries()) {
    const tone = new OscillatorNode(context, { frequency })
    const gain = new GainNode(context, { gain: 0 })
    const from = start + index * 0.18
    gain.gain.setTargetAtTime(0.18, from, 0.01)
    gain.gain.setTargetAtTime(0, from + 0.14, 0.04)
    tone.connect(gain).connect(context.destination)
    tone.start(from)
    tone.stop(from + 0.5)
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
