package stream

var (
	firstNames = []string{
		"María", "José", "Ana", "Andrés", "Lucía", "Sebastián", "Valentina", "Jorge", "Íngrid", "Nicolás",
		"Camila", "Óscar", "Daniela", "Iván", "Paula", "Julián", "Begoña", "Tomás", "Sofía", "Hernán",
	}
	lastNames = []string{"Muñoz", "Pérez", "Gómez", "Ibáñez", "Rodríguez", "Peña", "Ávila", "Castro", "Yáñez", "Núñez"}

	subjects = []string{
		"No puedo entrar al aula virtual", "Error al entregar la tarea", "Cambio de contraseña",
		"No aparece mi curso", "Nota del parcial", "Inscripción extemporánea", "Certificado de notas",
		"El video no carga", "Solicitud de cupo", "Problema con el correo institucional",
		"¿Cómo recupero una actividad?", "Duda sobre el cuestionario", "Actualización de datos", "URGENTE: examen en línea",
	}
	courses = []string{
		"Cálculo diferencial", "Álgebra lineal", "Introducción a la programación", "Química orgánica",
		"Historia de Colombia", "Inglés II", "Diseño gráfico", "Economía general", "Métodos numéricos", "Ética",
	}
	greetings = []string{"Buenos días:", "Buenas tardes.", "Cordial saludo,", "Hola,", "Estimados señores:"}
	closings  = []string{"Muchas gracias.", "Quedo atenta.", "Cordialmente,", "Saludos,", "Gracias de antemano."}
	sentences = []string{
		"Desde ayer intento entrar y la página me devuelve al inicio.",
		"Ya borré las cookies y probé con otro navegador, pero sigue igual.",
		"El mensaje dice «usuario o contraseña no válidos».",
		"Mis compañeros sí pueden ver el contenido de la semana cuatro.",
		"La entrega vence esta noche y no quisiera perder la nota.",
		"Adjunté el archivo dos veces y en ninguna quedó registrado.",
		"En la oficina de registro me dijeron que les escribiera a ustedes.",
		"¿Me pueden indicar qué debo hacer?",
		"El profesor me confirmó que la actividad está abierta hasta el viernes.",
		"Cuando abro el cuestionario aparece una pantalla en blanco.",
		"También lo intenté desde el teléfono, con el mismo resultado.",
		"Pagué la matrícula el lunes pasado y todavía no aparezco como activo.",
		"Necesito el documento para un trámite ante el ICETEX.",
		"El enlace que llegó al correo ya había caducado.",
	}
	followUps = []string{
		"Ya lo intenté y funcionó, muchas gracias por la ayuda.",
		"Sigue sin funcionar: ahora dice «error 403».",
		"Se me olvidó decir que uso el navegador de la biblioteca.",
		"¿Hay alguna novedad sobre mi solicitud?",
		"Les envío el dato que faltaba: el grupo es el 03.",
		"El número de recibo es el que está en la primera página.",
		"No entendí el segundo paso, ¿me lo pueden explicar?",
	}
	files = []struct{ name, mediaType string }{
		{"Recibo de pago.pdf", "application/pdf"},
		{"captura de pantalla.png", "image/png"},
		{"Certificación médica.pdf", "application/pdf"},
		{"Tarea 4 – versión final.docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"},
		{"IMG_20260302_081512.jpg", "image/jpeg"},
	}
)
