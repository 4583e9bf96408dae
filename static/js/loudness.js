/**
 * How loud tracks are played: the listener's volume and, if wanted, all tracks equally loud. Remembered in this browser.
 *
 * A page can only turn sound down. So the target lies below nearly all mastered music (-23 LUFS, that of broadcasting:
 * EBU R 128): at the -14 of streaming services older and acoustic recordings would stay softer than the rest.
 */

const TARGET_LUFS = -23;
const TYPICAL_LUFS = -14; // of a track whose loudness is not known: rather somewhat off than far too loud
const KEY = "energyapp.sound";

const choice = { volume: 1, equal: false, ...remembered() };

function remembered() {
  try {
    const { volume, equal } = JSON.parse(localStorage.getItem(KEY)) ?? {};
    return volume >= 0 && volume <= 1 ? { volume, equal: equal === true } : {};
  } catch {
    return {}; // storage is blocked, or holds something else
  }
}

function remember() {
  try {
    localStorage.setItem(KEY, JSON.stringify(choice));
  } catch {
    // The choice holds for this page.
  }
}

/**
 * The volume (0 to 1) for an audio element that plays this sound.
 * @param {{loudness_lufs: ?number}} sound
 */
export function volumeFor({ loudness_lufs }) {
  if (!choice.equal) return choice.volume;
  return choice.volume * Math.min(1, 10 ** ((TARGET_LUFS - (loudness_lufs ?? TYPICAL_LUFS)) / 20));
}

/** The slider and the switch of a player. */
export function mountLoudness(root, { onChange, signal }) {
  const slider = root.querySelector("[data-volume]");
  const equal = root.querySelector("[data-equally-loud]");
  const silent = root.querySelector("[data-silent]");

  function render() {
    if (silent) silent.hidden = choice.volume > 0;
    slider.setAttribute("aria-valuetext", `${slider.value} %`);
  }

  if (!slider || !equal) return;
  slider.value = String(Math.round(choice.volume * 100));
  equal.checked = choice.equal;
  const changed = () => {
    choice.volume = Number(slider.value) / 100;
    choice.equal = equal.checked;
    remember();
    render();
    onChange();
  };
  slider.addEventListener("input", changed, { signal });
  equal.addEventListener("change", changed, { signal });
  render();
  hideWhereFixed(root.querySelectorAll("[data-volume-control]"));
}

/** On iPhones and iPads a page cannot set the volume: it reads as set, and in the next task it is 1 again. */
function hideWhereFixed(controls) {
  const probe = new Audio();
  probe.volume = 0.5;
  setTimeout(() => {
    if (probe.volume !== 0.5) for (const control of controls) control.hidden = true;
  });
}
