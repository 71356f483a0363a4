/** A control that goes away must not take the focus with it. */
import type { RefObject } from 'preact';
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';

/** The button that the page is about: it has the focus where nothing nearer is left. */
const LAST_RESORT = 'form.output button[type=submit]';

/**
 * Handlers for an element that has a `tabindex`: when what had the focus inside of it is gone, the element itself has it, until
 * the user turns elsewhere.
 */
export function useKeptFocus(place: RefObject<HTMLElement | null>) {
  const isInside = useRef(false);
  useEffect(() => {
    const letGo = ({ target }: PointerEvent) => {
      if (!place.current?.contains(target as Node)) isInside.current = false;
    };
    document.addEventListener('pointerdown', letGo);
    return () => document.removeEventListener('pointerdown', letGo);
  }, []);
  useLayoutEffect(() => {
    if (!isInside.current || document.activeElement !== document.body) return;
    place.current?.focus({ preventScroll: true });
    if (document.activeElement === document.body) document.querySelector<HTMLElement>(LAST_RESORT)?.focus();
  });
  return {
    onFocusIn: () => {
      isInside.current = true;
    },
    onFocusOut: ({ relatedTarget }: FocusEvent) => {
      if (relatedTarget !== null) isInside.current = place.current?.contains(relatedTarget as Node) ?? false;
    },
  };
}
