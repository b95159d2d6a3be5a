'use strict';
// Names come from files: they are only ever put into textContent, title and attributes of labels.
(() => {
  const data = JSON.parse(document.getElementById('data').textContent);
  // As cut_middle in Python: a third of the place is for the end.
  const cut = (text, longest) => {
    const characters = [...text];
    if (characters.length <= longest) return text;
    const end = Math.floor(longest / 3);
    return `${characters.slice(0, longest - 1 - end).join('').trimEnd()}…${characters.slice(-end).join('')}`;
  };
  const images = (number) => `${number.toLocaleString('en')} image${number === 1 ? '' : 's'}`;

  const setName = (node, text, longest) => {
    node.textContent = cut(text, longest);
    if (node.textContent !== text) node.title = text;
  };

  // The images of the galleries are in the page, those of cells and points in the data.
  const findImage = (key, kind) => {
    const image = data.images[key];
    const stored = kind === 'heat' ? image.heat : image.thumbnail;
    const shown = document.querySelector(`#images [data-key="${key}"] .${kind}`);
    return stored || (shown ? shown.src : '');
  };

  const makeCard = (key) => {
    const image = data.images[key];
    const card = document.getElementById('card').content.firstElementChild.cloneNode(true);
    const find = (selector) => card.querySelector(selector);
    const label = data.classes[image.label];
    card.classList.toggle('wrong', image.wrong);
    find('.thumbnail').src = findImage(key, 'thumbnail');
    find('.thumbnail').alt = `true class ${cut(label, 40)}`;
    const heat = findImage(key, 'heat');
    if (heat) {
      find('.heat').src = heat;
      find('input').checked = allHeat.checked;
    } else {
      find('.heat').remove();
      find('.switch').remove();
    }
    find('.verdict').textContent = image.wrong ? 'wrong' : 'right';
    setName(find('.label bdi'), label, 24);
    for (const [guess, percent, width] of image.guesses) {
      const item = document.getElementById('guess').content.firstElementChild.cloneNode(true);
      item.classList.toggle('hit', guess === image.label);
      setName(item.querySelector('bdi'), data.classes[guess], 24);
      item.querySelector('.guess > span').textContent = percent;
      item.querySelector('i').style.width = `${width}%`;
      find('.guesses').append(item);
    }
    const path = document.createElement('bdi');
    setName(path, image.path, 60);
    find('.path').append(`loss ${image.loss}`, document.createElement('br'), path);
    return card;
  };

  // One switch for the heat maps of all images.
  const allHeat = document.createElement('input');
  allHeat.type = 'checkbox';
  allHeat.id = 'all-heat';
  allHeat.addEventListener('change', () => {
    for (const box of document.querySelectorAll('.card input')) box.checked = allHeat.checked;
  });
  if (document.querySelector('#images .heat')) {
    const line = document.createElement('p');
    line.className = 'switches';
    const label = document.createElement('label');
    label.append(allHeat, ' heat maps of all images');
    line.append(label);
    document.querySelector('#images h2').after(line);
  }

  // A click on a cell of the matrix, or on a number in the list, shows its images.
  const panel = document.getElementById('cell');
  const showCell = (button) => {
    const { true: label, predicted } = button.dataset;
    const number = Number(button.dataset.count);
    const keys = data.cells[`${label}-${predicted}`] || [];
    for (const other of document.querySelectorAll('#confusion [aria-pressed]')) other.removeAttribute('aria-pressed');
    button.setAttribute('aria-pressed', 'true');
    const [head, note, gallery] = panel.children;
    const names = [label, predicted].map((index) => {
      const name = document.createElement('bdi');
      setName(name, data.classes[index], 120);
      return name;
    });
    head.replaceChildren('True class ', names[0], ', predicted ', names[1]);
    if (keys.length) note.textContent = `${keys.length} of ${images(number)} shown.`;
    else if (Object.keys(data.images).length === 0) note.textContent = `0 of ${images(number)} shown: this report has no images.`;
    else note.textContent = `0 of ${images(number)} shown: the number of images in a report is limited, and this cell has none of them.`;
    gallery.replaceChildren(...keys.map(makeCard));
    panel.hidden = false;
    head.scrollIntoView({ block: 'nearest' });
  };
  for (const button of document.querySelectorAll('#confusion button')) {
    button.addEventListener('click', () => showCell(button));
  }

  // One cell of the matrix is in the order of the tab key; the arrow keys move to others.
  const matrix = document.getElementById('matrix');
  if (matrix) {
    const cells = matrix.querySelectorAll('button');
    const enter = (button) => {
      for (const cell of cells) cell.tabIndex = -1;
      button.tabIndex = 0;
    };
    if (cells.length) enter(cells[0]);
    matrix.addEventListener('focusin', (event) => enter(event.target));
    matrix.addEventListener('keydown', (event) => {
      const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
      if (!step || event.target.tagName !== 'BUTTON') return;
      event.preventDefault();
      const rows = matrix.tBodies[0].rows;
      let row = event.target.closest('tr').sectionRowIndex + step[0];
      let column = event.target.closest('td').cellIndex + step[1];
      for (; rows[row] && rows[row].cells[column]; row += step[0], column += step[1]) {
        const next = rows[row].cells[column].querySelector('button');
        if (next) return next.focus();
      }
    });
    const group = document.getElementById('group');
    const body = matrix.tBodies[0];
    const lines = [...body.rows];
    const table = [matrix.tHead.rows[1], ...lines].map((row) => [row, [...row.cells].slice(1)]);
    const places = table[0][1].map((head) => Number(head.dataset.place));
    const arrange = () => {
      const order = places.map((_, index) => index);
      if (group.checked) order.sort((a, b) => places[a] - places[b]);
      for (const [row, own] of table) row.append(...order.map((index) => own[index]));
      body.append(...order.map((index) => lines[index]));
    };
    if (group) group.addEventListener('change', arrange);
  }

  // Tables that are wider than the page say so, and fade where columns follow.
  for (const box of document.querySelectorAll('.scroll')) {
    const hint = document.createElement('p');
    hint.className = 'note scroll-hint';
    hint.textContent = 'The table is wider than the page: scroll it sideways.';
    box.before(hint);
    const update = () => {
      hint.hidden = box.scrollWidth <= box.clientWidth + 1;
      box.classList.toggle('more', box.scrollLeft + box.clientWidth < box.scrollWidth - 1);
    };
    box.addEventListener('scroll', update);
    const observer = new ResizeObserver(update);
    observer.observe(box);
    observer.observe(box.firstElementChild);
  }

  // The table of classes sorts by the column of a head; missing values stay last.
  const classes = document.getElementById('class-table');
  const compareNames = new Intl.Collator('en', { numeric: true }).compare;
  const sort = (head) => {
    const column = head.cellIndex;
    const down = head.getAttribute('aria-sort') === (column ? 'descending' : 'ascending') ? column === 0 : column > 0;
    const sign = down ? -1 : 1;
    const rows = [...classes.tBodies[0].rows].map((row) => [row, column ? row.cells[column].dataset.value : row.cells[0].textContent]);
    rows.sort(([, a], [, b]) => {
      if (!column) return sign * compareNames(a, b);
      if (a === '' || b === '') return (a === '') - (b === '');
      return sign * (Number(a) - Number(b));
    });
    for (const other of classes.tHead.rows[0].cells) other.removeAttribute('aria-sort');
    head.setAttribute('aria-sort', down ? 'descending' : 'ascending');
    classes.tBodies[0].append(...rows.map(([row]) => row));
  };
  for (const head of classes.tHead.rows[0].cells) head.firstElementChild.addEventListener('click', () => sort(head));

  // The map: the point that is nearest to the pointer, or has the focus, shows its image.
  const map = document.getElementById('map');
  if (map) {
    const place = (node) => {
      const box = node.getBBox();
      return [box.x + box.width / 2, box.y + box.height / 2];
    };
    const points = [...map.children].map((node) => ({ node, at: place(node) }));
    let chosen = null;
    const show = (point) => {
      if (point === chosen) return;
      if (chosen) chosen.node.classList.remove('chosen');
      chosen = point;
      point.node.classList.add('chosen');
      document.getElementById('point').replaceChildren(makeCard(point.node.dataset.key));
    };
    const findNearest = (event, pixels) => {
      const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(map.getScreenCTM().inverse());
      const reach = pixels * 640 / map.getBoundingClientRect().width;
      const far = points.map((point) => Math.hypot(point.at[0] - at.x, point.at[1] - at.y));
      const best = far.reduce((found, distance, index) => (distance < far[found] ? index : found), 0);
      return far[best] <= reach ? points[best] : null;
    };
    const react = (event, pixels) => {
      const point = findNearest(event, pixels);
      if (point) show(point);
    };
    map.addEventListener('pointermove', (event) => event.pointerType === 'mouse' && react(event, 12));
    map.addEventListener('click', (event) => react(event, 24));
    for (const point of points) {
      const image = data.images[point.node.dataset.key];
      const guess = image.guesses.length ? `, predicted ${cut(data.classes[image.guesses[0][0]], 40)}` : '';
      point.node.setAttribute('role', 'img');
      point.node.setAttribute('aria-label', `true ${cut(data.classes[image.label], 40)}${guess}`);
      point.node.setAttribute('tabindex', point === points[0] ? 0 : -1);
      point.node.addEventListener('focus', () => show(point));
    }
    // The arrow keys move to the nearest point within 45 degrees of their direction.
    map.addEventListener('keydown', (event) => {
      const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      const from = points.find((point) => point.node === event.target);
      if (!step || !from) return;
      event.preventDefault();
      let next = null;
      let nearest = Infinity;
      for (const point of points) {
        const [x, y] = [point.at[0] - from.at[0], point.at[1] - from.at[1]];
        const [along, across] = [x * step[0] + y * step[1], Math.abs(x * step[1] - y * step[0])];
        if (along > 0 && across <= along && along < nearest) [next, nearest] = [point, along];
      }
      if (!next) return;
      from.node.setAttribute('tabindex', -1);
      next.node.setAttribute('tabindex', 0);
      next.node.focus();
    });
  }
})();
