// Sends the chosen files one after the other. XMLHttpRequest, since fetch does not tell how far
// an upload is; the browser reads each file from disk as it goes.
export default function (component) {
  const { data, parentElement, setStateValue } = component
  const input = parentElement.querySelector("#files")
  const bar = parentElement.querySelector("#bar")
  const words = parentElement.querySelector("#words")

  const send = (file, done, total) =>
    new Promise((resolve, reject) => {
      const request = new XMLHttpRequest()
      request.open("PUT", `${data.address}?name=${encodeURIComponent(file.name)}`)
      request.responseType = "json"
      request.upload.onprogress = (event) => {
        bar.value = (done + event.loaded) / total
        words.textContent = `${file.name}: ${Math.floor((100 * event.loaded) / file.size)}%`
      }
      request.onload = () =>
        request.status === 200
          ? resolve(request.response.receipt)
          : reject(request.response?.problem ?? "The server did not take the file.")
      request.onerror = () => reject("The connection was lost; choose the files again.")
      request.send(file)
    })

  input.onchange = async () => {
    const files = [...input.files]
    const total = files.reduce((sum, file) => sum + file.size, 0)
    const tooLarge = files.find((file) => file.size > data.most)
    if (tooLarge) {
      words.textContent = `${tooLarge.name} is larger than ${data.most / 1024 ** 3} GB.`
      return
    }
    input.disabled = true
    bar.hidden = false
    const receipts = []
    let done = 0
    try {
      for (const file of files) {
        receipts.push(await send(file, done, total))
        done += file.size
      }
      words.textContent = `${files.length} sent.`
      setStateValue("receipts", receipts)
    } catch (problem) {
      words.textContent = problem
    } finally {
      input.disabled = false
      bar.hidden = true
    }
  }
}
