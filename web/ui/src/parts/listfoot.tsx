/** Under a list: how much is shown, and more of it. */
import { t } from '../i18n'
import type { List } from '../list'
import { Problem } from './bits'

export function ListFoot<Row>({ list }: { list: List<Row> }) {
  const count = list.value?.items.length ?? 0
  if (!list.value) return list.busy ? <p class="muted">{t('app.loading')}</p> : null
  return (
    <div class="list-foot">
      {count > 0 ? <span class="muted">{t('app.shown', { count })}</span> : null}
      {list.value.next ? (
        <button type="button" class="secondary small" data-testid="more" onClick={() => void list.more()}>
          {t('app.more')}
        </button>
      ) : null}
      {list.moreError ? <Problem error={list.moreError} retry={() => void list.more()} /> : null}
    </div>
  )
}
