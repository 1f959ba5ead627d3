/**
 * A recording: the sound streams from the server (Range), the wave is drawn from its stored peaks,
 * so nothing is downloaded before somebody listens. No download link: listening is logged, copies are not.
 */
import { useEffect, useRef, useState } from 'preact/hooks'
import WaveSurfer from 'wavesurfer.js'
import { api } from '../api'
import { t } from '../i18n'
import { explain } from '../problems'
import { clock } from '../time'
import type { Recording } from '../types'
import { seconds } from './bits'

const STEP_S = 5
const RATES = [1, 1.5, 2]
const FULL_SCALE = 127

export function Player({ recording }: { recording: Recording }) {
  const audio = useRef<HTMLAudioElement>(null)
  const [at, setAt] = useState(0)
  const [total, setTotal] = useState(recording.duration_s ?? 0)
  const [playing, setPlaying] = useState(false)
  const [failed, setFailed] = useState<string | null>(null)
  const { wave, problem } = useWave(recording, audio, setTotal)

  const seek = (to: number) => {
    if (!audio.current) return
    audio.current.currentTime = Math.max(0, Math.min(total, to))
    setAt(audio.current.currentTime)
  }
  const toggle = () => {
    if (audio.current?.paused) audio.current.play().catch(() => setFailed(t('player.broken')))
    else audio.current?.pause()
  }
  return (
    <div class="player" data-testid="player" role="group" aria-label={t('player.label', { duration: seconds(total) })}>
      <audio
        ref={audio}
        src={api.audioUrl(recording.id)}
        preload="none"
        onPlay={() => setPlaying(true)}
        onPause={() => setPlaying(false)}
        onTimeUpdate={(event) => setAt(event.currentTarget.currentTime)}
        onDurationChange={(event) => {
          const known = event.currentTarget.duration
          if (Number.isFinite(known) && known > 0) setTotal(known)
        }}
        onError={() => setFailed(t('player.broken'))}
      />
      <button type="button" class="play" aria-label={playing ? t('player.pause') : t('player.play')} onClick={toggle}>
        <PlayShape playing={playing} />
      </button>
      <div
        class="wave"
        ref={wave}
        role="slider"
        tabIndex={0}
        aria-label={t('player.seek')}
        aria-valuemin={0}
        aria-valuemax={Math.round(total)}
        aria-valuenow={Math.round(at)}
        aria-valuetext={t('player.position', { at: clock(at), total: clock(total) })}
        onKeyDown={(event) => {
          const to = seekTarget(event.key, at, total)
          if (to !== null) seek(to)
          else if (event.key === ' ' || event.key === 'Enter') toggle()
          else return
          event.preventDefault()
        }}
      />
      <span class="clock">
        {clock(at)} / {clock(total)}
      </span>
      <Rate audio={audio} />
      {failed ? <p class="player-problem" role="alert">{t('player.failed', { why: failed })}</p> : null}
      {problem && !failed ? <p class="player-problem">{problem}</p> : null}
    </div>
  )
}

function seekTarget(key: string, at: number, total: number): number | null {
  const steps: Record<string, number> = {
    ArrowRight: at + STEP_S,
    ArrowUp: at + STEP_S,
    ArrowLeft: at - STEP_S,
    ArrowDown: at - STEP_S,
    PageUp: at + 6 * STEP_S,
    PageDown: at - 6 * STEP_S,
    Home: 0,
    End: total,
  }
  return steps[key] ?? null
}

/** Draw the stored peaks into the slider and let clicks in it seek. */
function useWave(recording: Recording, audio: { current: HTMLAudioElement | null }, setTotal: (s: number) => void) {
  const wave = useRef<HTMLDivElement>(null)
  const [problem, setProblem] = useState<string | null>(null)
  useEffect(() => {
    const abort = new AbortController()
    let drawn: WaveSurfer | null = null
    const draw = async () => {
      const { rate, scale = FULL_SCALE, peaks } = await api.peaks(recording.id, abort.signal)
      if (abort.signal.aborted || !wave.current || !audio.current) return
      const duration = recording.duration_s ?? (rate > 0 ? peaks.length / rate : 0)
      if (duration <= 0) return
      setTotal(duration)
      drawn = WaveSurfer.create({
        container: wave.current,
        media: audio.current,
        peaks: [peaks.map((peak) => peak / scale)],
        duration,
        height: 36,
        barWidth: 2,
        barGap: 1,
        barRadius: 1,
        normalize: true,
        cursorWidth: 2,
        dragToSeek: true,
        ...colours(wave.current),
      })
    }
    draw().catch((error: unknown) => {
      if (!abort.signal.aborted) setProblem(`${t('player.no_wave')} ${explain(error)}`)
    })
    const recolour = () => {
      if (wave.current) drawn?.setOptions(colours(wave.current))
    }
    const theme = new MutationObserver(recolour)
    theme.observe(document.documentElement, { attributeFilter: ['data-theme'] })
    const system = matchMedia('(prefers-color-scheme: dark)')
    system.addEventListener('change', recolour)
    return () => {
      abort.abort()
      theme.disconnect()
      system.removeEventListener('change', recolour)
      drawn?.destroy()
    }
  }, [recording.id])
  return { wave, problem }
}

/** Canvas knows no CSS variables: read what they come to. */
function colours(element: HTMLElement) {
  const probe = document.createElement('i')
  element.append(probe)
  const value = (name: string) => {
    probe.style.color = `var(${name})`
    return getComputedStyle(probe).color
  }
  const found = { waveColor: value('--wave'), progressColor: value('--accent'), cursorColor: value('--text') }
  probe.remove()
  return found
}

function Rate({ audio }: { audio: { current: HTMLAudioElement | null } }) {
  const [rate, setRate] = useState(1)
  const next = () => {
    const chosen = RATES[(RATES.indexOf(rate) + 1) % RATES.length] ?? 1
    if (audio.current) audio.current.playbackRate = chosen
    setRate(chosen)
  }
  return (
    <button type="button" class="secondary small rate" aria-label={t('player.speed', { rate: `${rate}×` })} onClick={next}>
      {rate}×
    </button>
  )
}

function PlayShape({ playing }: { playing: boolean }) {
  return (
    <svg viewBox="0 0 16 16" width="14" height="14" aria-hidden="true" fill="currentColor">
      {playing ? <path d="M3 2h4v12H3zM9 2h4v12H9z" /> : <path d="M4 1.500v13l10-6.500z" />}
    </svg>
  )
}
