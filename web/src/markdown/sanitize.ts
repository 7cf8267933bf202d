// The last gate before an answer's HTML enters the page. The parser lets no HTML through already;
// this holds even if it, or a rule of ours, should err.
import DOMPurify from 'dompurify';

const kTags = [
  'p',
  'br',
  'hr',
  'h1',
  'h2',
  'h3',
  'h4',
  'h5',
  'h6',
  'strong',
  'em',
  's',
  'code',
  'blockquote',
  'ul',
  'ol',
  'li',
  'table',
  'thead',
  'tbody',
  'tr',
  'th',
  'td',
  'a',
  'span',
  'div',
];
const kAttributes = [
  'href',
  'title',
  'target',
  'rel',
  'class',
  'start',
  'tabindex',
  'data-lang',
  'data-tex',
];

export function sanitize(html: string): DocumentFragment {
  return DOMPurify.sanitize(html, {
    ALLOWED_TAGS: kTags,
    ALLOWED_ATTR: kAttributes,
    ALLOW_DATA_ATTR: false,
    ALLOW_ARIA_ATTR: false,
    // These are no addresses, which the rule below is about.
    ADD_URI_SAFE_ATTR: ['start', 'target', 'rel', 'tabindex', 'data-lang', 'data-tex'],
    ALLOWED_URI_REGEXP: /^(https?:|mailto:)/i,
    RETURN_DOM_FRAGMENT: true,
  });
}

// `target` is not among what DOMPurify keeps by default; every link that leaves opens apart.
DOMPurify.addHook('afterSanitizeAttributes', (node) => {
  if (node.nodeName !== 'A') return;
  node.setAttribute('target', '_blank');
  node.setAttribute('rel', 'noopener noreferrer nofollow');
});
