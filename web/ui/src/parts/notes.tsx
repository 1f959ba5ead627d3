/** What is left to the employee who answered the call: to write down what the caller said. */
import { useState } from 'preact/hooks'
import { api } from '../api'
import { t } from '../i18n'
import { dictionaries } from '../store'
import type { Appeal } from '../types'

interface Props {
  appeal: Appeal
  etag: string | null
  busy: boolean
  act: (doing: () => Promise<unknown>, said: string) => Promise<void>
}

export function Notes({ appeal, etag, busy, act }: Props) {
  const [gist, setGist] = useState('')
  const [category, setCategory] = useState('')
  const [accused, setAccused] = useState('')
  const free = {
    gist: !appeal.gist,
    category: !appeal.category,
    accused: (appeal.may ?? []).includes('accuse'),
  }
  const submit = (event: SubmitEvent) => {
    event.preventDefault()
    const form = {
      ...(gist.trim() ? { gist: gist.trim() } : {}),
      ...(category ? { category } : {}),
      ...(accused ? { accused: Number(accused) } : {}),
    }
    void act(() => api.change(appeal.number, form, etag), t('notes.done'))
  }
  return (
    <form data-testid="notes-form" noValidate onSubmit={submit}>
      <p class="note">{t('notes.why', { department: appeal.department?.name ?? t('notes.company') })}</p>
      {Object.values(free).some(Boolean) ? <p>{t('notes.what')}</p> : <p>{t('notes.all_written')}</p>}
      {free.gist ? (
        <label>
          {t('resolve.gist')}
          <textarea name="gist" rows={3} value={gist} onInput={(event) => setGist(event.currentTarget.value)} />
        </label>
      ) : null}
      {free.category ? (
        <label>
          {t('resolve.category')}
          <select name="category" value={category} onChange={(event) => setCategory(event.currentTarget.value)}>
            <option value="">{t('resolve.choose')}</option>
            {(dictionaries.value?.categories ?? []).map((one) => (
              <option key={one.code} value={one.code}>
                {one.name}
              </option>
            ))}
          </select>
        </label>
      ) : null}
      {free.accused ? (
        <label>
          {t('notes.accused')}
          <select name="accused" value={accused} onChange={(event) => setAccused(event.currentTarget.value)}>
            <option value="">{t('notes.nobody_named')}</option>
            {(dictionaries.value?.employees ?? []).map((one) => (
              <option key={one.id} value={one.id}>
                {one.name}
              </option>
            ))}
          </select>
        </label>
      ) : null}
      {Object.values(free).some(Boolean) ? (
        <button type="submit" disabled={busy}>
          {t('notes.submit')}
        </button>
      ) : null}
    </form>
  )
}
