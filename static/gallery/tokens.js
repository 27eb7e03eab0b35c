// A new token is copied by a button. Without it, it is selected and copied by hand.

const button = document.querySelector(".copy-token");
const secret = document.getElementById("secret");

if (button) {
  button.hidden = false;
  secret.addEventListener("focus", () => secret.select());
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(secret.value);
    } catch {
      // Browsers have a clipboard on https and on this machine only.
      secret.select();
      document.execCommand("copy");
    }
    button.textContent = button.dataset.copied;
  });
}
