import { whole } from "../words";

export function Pager({ page, pages, onPage, label }: { page: number; pages: number; onPage: (page: number) => void; label: string }) {
  if (pages < 2) return null;
  return (
    <nav className="pager" aria-label={`Pages of ${label}`}>
      <button type="button" className="plain" disabled={page === 0} onClick={() => onPage(page - 1)}>Previous</button>
      <span role="status">{whole(page + 1)} of {whole(pages)}</span>
      <button type="button" className="plain" disabled={page >= pages - 1} onClick={() => onPage(page + 1)}>Next</button>
    </nav>
  );
}
